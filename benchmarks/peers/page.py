"""The page of what was compared."""

from benchmarks.peers.compared import THREADS, Compared
from pipeline_steps.reporting.markdown import table

HEAD = ["what", "peer", "of", "ours", "peer's", "peer's time over ours", "goal", ""]
ABOUT = """
## What is compared

- **Trainings.** Diffusers' scripts are run as they are, but for a progress bar that keeps the times and, for the tiny
  autoencoder, the class that loads it. Same weights in 32 bits, photographs, batch, learning rate; LoRA on the same
  layers. Ours is the loop of `finetune` and `invert_tokens`. AutoencoderKL has Stable Diffusion's blocks at a quarter
  of its width and random weights; both models have a denoiser of the shipped shape, and latents of 16 x 16. How much
  of a step the encoder takes is another share with other models, and so is the ratio.
- **Image-to-image.** One model, the shipped one with a LoRA on light skin, merged into its weights for both. The peer:
  `StableDiffusionImg2ImgPipeline` with DDIM, strength 0.5 of 100 steps, one source at a time. Ours: batch, scheduler,
  steps and guidance interval of the default parameters. Guidance 2 for both, the default here.
- **Classifier input.** The peer decodes with PIL, RandomResizedCrop, flip, normalise, no workers; JPEG of quality 90,
  or PNG. Ours reads the files of `ingest` of the same pixels and makes the same kind of view. Both give batches of
  32 x 3 x 224 x 224. Nothing is drawn ahead.
- **Fréchet distance.** From features to the distance, moments included; the peers' in 64 bits.
"""

# Written by hand after the run whose page is committed; write it anew with another.
FOUND = """
## What stops the goals that are not reached

- **Trainings.** On two cores the thread that draws the batches to come (`training/ahead.py`) slows the step that it
  should hide behind. Measured apart, right after the run, two repeats: LoRA with the tiny autoencoder, a step of 4,
  takes 149 and 185 ms as it is, and 114 and 96 ms where batches are drawn in the main thread. The likely cause, which
  was not looked into: the thread computes with torch, too, and has computing threads of its own, so that there are more
  than cores. Diffusers' fused attention and plain memory layout, tried apart, changed it by no more than repeats
  differ (143 and 151 ms; 155 and 203 ms). With AutoencoderKL there is a second bound: at this size encoding is about
  half of the peer's step, and leaving it out gives 2.2 at most, by the profile below. 2.5 takes an autoencoder that is
  larger beside its denoiser, or a faster denoiser.
- **Classifier input.** We make numbers of all pixels and resample at the photograph's own size before we resize; at
  512 px that is 93 % of our batch (reading is 7 %). The peer cuts bytes first, and resizes those. At 224 px,
  where nothing is resized, we take a little longer than the peer with JPEG and less than with PNG. Faster would be to
  crop before numbers are made of bytes, which changes the bits of every classifier.

What the ratio of image-to-image is made of: the peer runs 50 steps with guidance, we run 8, about half of them with
guidance. So most of it comes from the scheduler and the settings, less from batches. That the peer's images are farther
from dark skin is likely for its strength of 0.5, which keeps more of the light source than our 0.8; no other strength
was tried. Sizes are small, for the run to take minutes: batches of 4, 8 steps of which the first 3 are not counted,
32 generated images, a LoRA of 30 steps.
"""


def page(rows: list[Compared], notes: list[str], told: tuple[str, str, str]) -> str:
    """The text; ``told``: the machine, the versions, and what else ran."""
    missed = [row for row in rows if not row.reached]
    names = "; ".join(f"{row.what} ({row.peer})" for row in missed)
    machine, versions, beside = told
    profile = "\n\n".join(notes)
    return f"""# Speed beside the peers, on a CPU

Made by `./run python -m benchmarks.peers --diffusers PATH`, where PATH is a copy of github.com/huggingface/diffusers.

Machine: {machine}. {THREADS} threads for all. Beside the run: {beside}.
{versions}.

Both sides took turns. A ratio is the median over repeats, its smallest and largest in brackets; times are medians.

{table(HEAD, [row.row() for row in rows])}

Goals that are not reached: {names or "none"}.
{ABOUT}{FOUND}
## Values, and profiles

{profile}
"""

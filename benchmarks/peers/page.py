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
{ABOUT}
## Values, profiles and bounds

{profile}
"""

"""Full-size models on a GPU: our fine-tuning and sampling beside diffusers' own, in one run; and the classifiers.

Architectures are those of Stable Diffusion 2.1 base and FLUX.1-dev, weights are random: speed and memory do not depend
on them. ``--tiny`` tries the script on small ones, where there is no GPU; it writes no page.

./run python -m benchmarks.gpu
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    StableDiffusionImg2ImgPipeline,
)
from torch import Tensor

from benchmarks.diffusers_training import HOW, diffusers_training, flux_step, stable_diffusion_step
from benchmarks.full_size import DEVICE, FULL, TINY, Size, flux, stable_diffusion
from benchmarks.gpu_classifiers import bench_classifiers
from benchmarks.gpu_measures import Found, Measured, measure, settle
from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.denoising import DenoisingTask, adapter_loss
from pipeline_steps.diffusion.families import FAMILIES
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.latents import LatentSet
from pipeline_steps.diffusion.sample import Sampling, sample
from pipeline_steps.training.loop import optimise

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
PAGE = Path("docs/gpu.md")
INTRODUCTION = """random weights, images of
512 x 512; 16 bits for diffusion, TF32 for classifiers. Most memory in use is at the right.
"""
ABOUT = """
Training is the loop of `finetune` on latents and embeddings that were computed once, beside the step of diffusers'
example scripts (`train_text_to_image_lora.py`, which encodes at every step; `train_dreambooth_lora_flux.py` with what
it encodes kept). Sampling is that of `generate`, beside `StableDiffusionImg2ImgPipeline` and `FluxPipeline` on the
same embeddings; both encode and decode images. All text encoders and autoencoders stay on the GPU meanwhile.
Classifiers train on images of full size, which are cropped, turned and flipped where the network is.
"""


def our_training(
    family: str, c: Components, trainable: list[Tensor], embeds: Tensor, size: Size, batch: int
) -> Measured:
    """The loop of the ``finetune`` stage on latents (encoded once) and embeddings (L, D)."""
    side = size.side // 8
    mean = torch.randn(16, c.vae.config.latent_channels, side, side, generator=torch.Generator().manual_seed(0))
    fit = DenoisingTask(
        FAMILIES[family], c, LatentSet(torch.stack([mean, torch.full_like(mean, 0.1)], dim=1)), batch, 0.0
    )
    loss = adapter_loss(fit, ["caption"] * 16, {"caption": embeds})
    optimise(trainable, loss, replace(HOW, steps=3), "warm-up")
    return measure(batch * size.steps, lambda: optimise(trainable, loss, replace(HOW, steps=size.steps), family))


def bench_stable_diffusion(size: Size, batch: int = 4, images: int = 16) -> Found:
    """LoRA of rank 8 and image-to-image by half of 100 DDIM steps, the paper's settings."""
    c, f = stable_diffusion(size), FAMILIES["stable_diffusion"]
    embeds = torch.randn(77, size.clip["hidden_size"], generator=torch.Generator().manual_seed(0))
    trainable = adapters.attach(c.denoiser, adapters.Lora(8, 8, ATTENTION), 0)
    ours = our_training("stable_diffusion", c, trainable, embeds, size, batch)
    theirs = diffusers_training(stable_diffusion_step(c, size, batch), trainable, size, batch)
    found = {"SD 2.1, LoRA of rank 8, batch 4": {"ours": ours, "diffusers": theirs}}
    rng = np.random.default_rng(0)
    sources = rng.integers(0, 256, (images, size.side, size.side, 3), dtype=np.uint8)
    both = (embeds.expand(images, -1, -1), torch.zeros_like(embeds).expand(images, -1, -1))
    how = _sampler("DDIMScheduler", 100 if size is FULL else 4, 2.0, 0.5)
    pipeline = StableDiffusionImg2ImgPipeline(
        c.vae, c.text_encoder, None, c.denoiser, DDIMScheduler.from_config(c.scheduler.config), None, None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    pixels = torch.from_numpy(sources).permute(0, 3, 1, 2).float() / 255
    positive, negative = (e.to(DEVICE, c.dtype) for e in both)

    def we() -> None:
        sample(f, c, how, both, f.scale(c, f.encode(c, sources)[0]), range(images))

    def they() -> None:
        pipeline(
            image=pixels, strength=0.5, num_inference_steps=how.num_inference_steps, guidance_scale=2.0,
            prompt_embeds=positive, negative_prompt_embeds=negative, output_type="np",
        )  # fmt: skip

    return found | {"SD 2.1, image to image, 50 guided passes, batch 16": _pair(images, we, they)}


def bench_flux(size: Size, batch: int = 4) -> Found:
    """LoRA of rank 64, and text-to-image in 20 steps, DermaFlux's settings."""
    c, f = flux(size), FAMILIES["flux"]
    embeds = torch.randn(1 + size.tokens, size.t5["d_model"], generator=torch.Generator().manual_seed(0))
    small = replace(size, steps=max(2, size.steps // 3))
    side = size.side // 8
    how = _sampler("FlowMatchEulerDiscreteScheduler", 20 if size is FULL else 2, 3.5, 1.0)
    pipeline = FluxPipeline(FlowMatchEulerDiscreteScheduler(shift=3.0), c.vae, None, None, None, None, c.denoiser)
    pipeline.set_progress_bar_config(disable=True)
    words, pooled = (e.to(DEVICE, c.dtype).expand(batch, *e.shape) for e in (embeds[1:], embeds[0, :768]))
    both = (embeds.expand(batch, -1, -1), embeds.expand(batch, -1, -1))

    def we() -> None:
        sample(f, c, how, both, (16, side, side), range(batch))

    def they() -> None:
        pipeline(
            prompt_embeds=words, pooled_prompt_embeds=pooled, height=size.side, width=size.side,
            num_inference_steps=how.num_inference_steps, guidance_scale=3.5, output_type="np",
        )  # fmt: skip

    found = {"FLUX.1, text to image, 20 passes, batch 4": _pair(batch, we, they)}
    trainable = adapters.attach(c.denoiser, adapters.Lora(64, 64, ATTENTION), 0)
    found["FLUX.1, LoRA of rank 64, batch 4"] = {"ours": our_training("flux", c, trainable, embeds, small, batch)}
    c.denoiser.enable_gradient_checkpointing()
    ours = our_training("flux", c, trainable, embeds, small, batch)
    theirs = diffusers_training(flux_step(c, embeds, small, batch), trainable, small, batch)
    found["the same with gradient checkpointing"] = {"ours": ours, "diffusers": theirs}
    return found


def _sampler(scheduler: str, steps: int, guidance: float, strength: float) -> Sampling:
    return Sampling(
        scheduler=scheduler,
        scheduler_options={},
        num_inference_steps=steps,
        guidance_scale=guidance,
        guidance_interval=(0.0, 1.0),
        strength=strength,
    )


def _pair(images: int, we: Callable[[], None], they: Callable[[], None]) -> dict[str, Measured]:
    """Both in turn, each once beforehand."""
    found = {}
    for who, work in (("ours", we), ("diffusers", they)):
        work()
        found[who] = measure(images, work)
    return found


def page(found: Found) -> str:
    """The page: one table."""
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"
    rows = "\n".join(f"| {name} | {_cells(by)} |" for name, by in found.items())
    return f"""# Full-size models on a GPU

Made by `./run python -m benchmarks.gpu` on one {device}, torch {torch.__version__}: {INTRODUCTION}
| | ours, images a second | diffusers | ours / diffusers | ours, GiB | diffusers, GiB |
|---|---:|---:|---:|---:|---:|
{rows}
{ABOUT}"""


def _cells(by: dict[str, Measured]) -> str:
    ours = by["ours"]
    if "diffusers" not in by:
        return f"{ours.rate:.2f} | | | {ours.memory:.1f} | "
    theirs = by["diffusers"]
    ratio = ours.rate / theirs.rate
    return f"{ours.rate:.2f} | {theirs.rate:.2f} | {ratio:.2f} | {ours.memory:.1f} | {theirs.memory:.1f}"


def main() -> None:
    """Measure, and write the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tiny", action="store_true", help="small models, no page")
    args = arguments.parse_args()
    size, found = TINY if args.tiny else FULL, Found()
    for bench in (bench_flux, bench_stable_diffusion, bench_classifiers):
        found |= bench(size)
        settle()
        print(page(found), flush=True)
    if not args.tiny:
        PAGE.write_text(page(found), "utf-8")


if __name__ == "__main__":
    main()

"""Sampling: text-to-image, image-to-image and inpainting with any of diffusers' schedulers, one random stream an image.

At the same settings this is what diffusers' pipelines do, but for two things: latents stay in 32 bits between the steps
of a 16-bit model, and sources come as their encoder's mean, where the pipelines draw from its posterior.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import diffusers
import torch
from torch import Tensor

from pipeline_steps.diffusion.families import Family, Images
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.parameters.sampler import Sampler, Strength
from pipeline_steps.stage.errors import DataError

Shape = tuple[int, int, int]


class Sampling(Sampler):
    """A sampler with the ``strength`` at which it changes sources, if there are any.

    Image-to-image starts from the source, noised to the first level that is run (Meng et al. 2021), also at strength 1:
    Stable Diffusion's first level leaves a trace of the source unless its schedule ends at zero signal (Lin et al.
    2024), Flux's is noise alone. Inpainting starts the same way below 1, and at 1 from noise alone.
    """

    strength: Strength


def sampling(s: Sampler, strength: float) -> Sampling:
    """The sampler's settings alone, at ``strength``."""
    return Sampling(**{name: getattr(s, name) for name in Sampler.model_fields}, strength=strength)


def new_scheduler(c: Components, s: Sampler) -> Any:
    """A fresh scheduler of the named class on the base model's noise schedule.

    Raises:
        DataError: diffusers has no such scheduler.
    """
    kind = getattr(diffusers, s.scheduler, None)
    if kind is None or not s.scheduler.endswith("Scheduler"):
        raise DataError(
            f"scheduler {s.scheduler!r} is not one of diffusers' (DPMSolverMultistepScheduler, DDIMScheduler…)"
        )
    return kind.from_config(c.scheduler.config, **s.scheduler_options)


def sample(
    f: Family, c: Components, s: Sampling, embeds: tuple[Tensor, Tensor], start: Tensor | Shape, seeds: Sequence[int]
) -> Images:
    """Denoise one batch to images (B, H, W, 3) uint8; arguments as for ``denoised``."""
    return f.decode(c, image_latents(c, denoised(f, c, s, embeds, start, seeds)))


def image_latents(c: Components, latents: Tensor) -> Tensor:
    """The image's part of ``latents``: all but what a widened denoiser adds."""
    return latents[:, : c.vae.config.latent_channels]


@torch.no_grad()
def denoised(
    f: Family,
    c: Components,
    s: Sampling,
    embeds: tuple[Tensor, Tensor],
    start: Tensor | Shape,
    seeds: Sequence[int],
    *,
    conditioning_latents: Tensor | None = None,
) -> Tensor:
    """Denoise one batch to scaled latents (B, C, h, w).

    ``embeds``: prompt and unconditional embeddings, each (B, L, D); ``start``: scaled latents (B, C, h, w) of sources,
    or the shape (C, h, w) of latents to start from noise alone; ``seeds``: one an image, so that its noise does not
    depend on its neighbours; ``conditioning_latents``: channels (B, K, h, w) that the denoiser sees at every step and
    that stay as they are (inpainting).

    Raises:
        DataError: the strength is so low that no step is run.
    """
    streams = [torch.Generator().manual_seed(seed) for seed in seeds]
    shape, sources = (start.shape[1:], start) if isinstance(start, Tensor) else (start, None)
    noise = torch.stack([torch.randn(shape, generator=g) for g in streams]).to(c.device)
    scheduler = new_scheduler(c, s)
    f.set_timesteps(scheduler, s.num_inference_steps, shape[1] * shape[2] // 4, c.device)
    if conditioning_latents is not None and s.strength == 1:
        sources = None  # as StableDiffusionInpaintPipeline, unlike the image-to-image pipelines
    steps, x = _start(f, scheduler, s, noise, sources)
    extra = {"generator": streams} if "generator" in inspect.signature(scheduler.step).parameters else {}
    prompt, empty = (e.to(c.device, c.dtype) for e in embeds)
    for i, t in enumerate(steps):
        x_in = _model_input(scheduler, x, t, conditioning_latents).to(c.dtype)
        low, high = s.guidance_interval
        scale = s.guidance_scale if low <= i / max(1, len(steps) - 1) <= high else 1.0
        predicted = f.guide(c, (prompt, empty), x_in, t, scale)
        x = scheduler.step(predicted.float(), t, x, **extra).prev_sample
    latents: Tensor = x
    return latents


def _model_input(scheduler: Any, x: Tensor, t: Tensor, conditioning_latents: Tensor | None) -> Tensor:
    """What the denoiser sees at timestep ``t``: scaled latents (B, C, h, w), or (B, C + K, h, w) with conditioning."""
    scaled: Tensor = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
    return scaled if conditioning_latents is None else torch.cat([scaled, conditioning_latents.to(scaled)], dim=1)


def _start(f: Family, scheduler: Any, s: Sampling, noise: Tensor, sources: Tensor | None) -> tuple[Tensor, Tensor]:
    """The timesteps to run and the noisy start, as the family's pipelines in diffusers choose them."""
    if sources is None:
        return scheduler.timesteps, noise * getattr(scheduler, "init_noise_sigma", 1.0)
    first = f.left_out(s.num_inference_steps, s.strength) * scheduler.order
    steps = scheduler.timesteps[first:]
    if len(steps) == 0:
        raise DataError(f"strength {s.strength} of {s.num_inference_steps} steps runs none; raise either")
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    return steps, f.noised(scheduler, sources.to(noise), noise, steps[:1].repeat(len(noise)))

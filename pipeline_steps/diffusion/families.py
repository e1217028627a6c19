"""Model families: how to load, encode, predict and decode. A family is a row of functions in ``FAMILIES``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_steps.diffusion import flux
from pipeline_steps.diffusion.hub import BaseModel, Components, autocast, bring_text_encoders, digest_of, resolve
from pipeline_steps.diffusion.objectives import Objective, diffusion_objective
from pipeline_steps.stage.device import best_device
from pipeline_steps.stage.errors import DataError

Images = npt.NDArray[np.uint8]
# Up to this latent side, plain products beat the fused attention kernel on CPUs: its backward pass is slow there.
_PLAIN_ATTENTION = 32
_DECODED_AT_ONCE = 4  # images, by the autoencoder on a GPU


@dataclass(frozen=True)
class Family:
    """Functions of one model family.

    encode: images (B, H, W, 3) uint8 to latent mean and standard deviation, each (B, C, h, w), unscaled;
    embed: token ids (B, L) to prompt embeddings (B, L', D); predict: x_t, timesteps (B,), embeddings to the
    denoiser's output; objective: what is trained on latents like these (B, C, h, w); pixels: scaled latents to
    (B, 3, H, W), about [-1, 1], with gradients; scale: unscaled latents to the denoiser's; guide: the prediction at a
    timestep under prompt and empty embeddings, at a guidance scale; set_timesteps: of a scheduler, so many for a number
    of tokens (2 x 2 latents); left_out: of so many steps, how many image-to-image leaves out at a strength; noised:
    sources and noise mixed at a scheduler's timestep; quick_scheduler: the one of diffusers' that needs few steps.
    """

    load: Callable[[BaseModel], Components]
    encode: Callable[[Components, Images], tuple[Tensor, Tensor]]
    scale: Callable[[Components, Tensor], Tensor]
    embed: Callable[[Components, Tensor], Tensor]
    predict: Callable[[Components, Tensor, Tensor, Tensor], Tensor]
    objective: Callable[[Components, Tensor], Objective]
    pixels: Callable[[Components, Tensor], Tensor]
    guide: Callable[[Components, tuple[Tensor, Tensor], Tensor, Tensor, float], Tensor]
    set_timesteps: Callable[[Any, int, int, torch.device], None]
    left_out: Callable[[int, float], int]
    noised: Callable[[Any, Tensor, Tensor, Tensor], Tensor]
    quick_scheduler: str

    @torch.no_grad()
    def decode(self, c: Components, latents: Tensor, at_once: int | None = None) -> Images:
        """Scaled latents to images (B, H, W, 3) uint8, so many ``at_once``: a slice that lacks some is filled up.

        None: on a CPU all of them (numbers depend on the shape by rounding), on a GPU a few, which need less memory.
        """
        size = at_once or (len(latents) if c.device.type == "cpu" else _DECODED_AT_ONCE)
        parts = []
        for rows in latents.split(size):  # type: ignore[no-untyped-call]
            filled = rows if len(rows) == size else torch.cat([rows, rows[-1:].expand(size - len(rows), -1, -1, -1)])
            pixels = self.pixels(c, filled)[: len(rows)]
            parts.append(((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1))
        return torch.cat(parts).cpu().numpy()


def family(base: BaseModel) -> Family:
    """The row of functions that fits ``base``.

    Raises:
        DataError: there is no such family.
    """
    if base.family not in FAMILIES:
        raise DataError(f"base model family {base.family!r} is none of {', '.join(FAMILIES)}")
    return FAMILIES[base.family]


def _load_stable_diffusion(base: BaseModel) -> Components:
    """Load any pipeline with tokenizer, text_encoder, vae and unet; safetensors only."""
    from diffusers import AutoencoderKL, AutoencoderTiny, DDPMScheduler, UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor
    from diffusers.utils import logging
    from transformers import CLIPTextModel, CLIPTokenizer

    logging.set_verbosity_error()
    folder = resolve(base)
    device = best_device()
    dtype = getattr(torch, base.dtype)
    tiny = "AutoencoderTiny" in (folder / "model_index.json").read_text("utf-8")
    options = {"torch_dtype": dtype, "use_safetensors": True}
    text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype, use_safetensors=True)
    vae = (AutoencoderTiny if tiny else AutoencoderKL).from_pretrained(folder / "vae", **options)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", **options)
    text_encoder.requires_grad_(requires_grad=False).eval()
    for part in (vae, unet):
        part.requires_grad_(requires_grad=False).eval().to(device, memory_format=torch.channels_last)
    if device.type == "cpu" and unet.config.sample_size <= _PLAIN_ATTENTION:
        unet.set_attn_processor(AttnProcessor())
    return Components(
        tokenizers=(CLIPTokenizer.from_pretrained(folder / "tokenizer"),),
        text_encoders=(text_encoder,),
        vae=vae,
        denoiser=unet,
        scheduler=DDPMScheduler.from_pretrained(folder / "scheduler"),
        digest=digest_of(base, folder),
        device=device,
        dtype=dtype,
    )


@torch.no_grad()
def _encode(c: Components, images: Images) -> tuple[Tensor, Tensor]:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(c.device, c.dtype) / 127.5 - 1
    encoded = c.vae.encode(pixels)
    if hasattr(encoded, "latents"):
        return encoded.latents, torch.zeros_like(encoded.latents)
    return encoded.latent_dist.mean, encoded.latent_dist.std


def _scale(c: Components, latents: Tensor) -> Tensor:
    return (latents - (getattr(c.vae.config, "shift_factor", None) or 0.0)) * c.vae.config.scaling_factor


def _embed(c: Components, ids: Tensor) -> Tensor:
    bring_text_encoders(c)
    hidden: Tensor = c.text_encoder(ids.to(c.device, non_blocking=True)).last_hidden_state
    return hidden


def _predict(c: Components, x_t: Tensor, timesteps: Tensor, embeds: Tensor) -> Tensor:
    with autocast(c):
        predicted: Tensor = c.denoiser(x_t, timesteps, embeds).sample
    return predicted


def _objective(c: Components, _latents: Tensor) -> Objective:
    return diffusion_objective(c.scheduler.alphas_cumprod, c.scheduler.config.prediction_type)


def _pixels(c: Components, latents: Tensor) -> Tensor:
    unscaled = latents / c.vae.config.scaling_factor + (getattr(c.vae.config, "shift_factor", None) or 0.0)
    pixels: Tensor = c.vae.decode(unscaled.to(c.dtype)).sample.float()
    return pixels


def _guide(c: Components, embeds: tuple[Tensor, Tensor], x: Tensor, t: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022, eq. 6, w = scale - 1) in one batch of two halves.

    At 1 or less there is none, as in diffusers' pipelines (0 is a common word for that): the prompt alone counts.
    """
    prompt, empty = embeds
    timesteps = t.reshape(1).repeat(len(x))
    if scale <= 1:
        return _predict(c, x, timesteps, prompt)
    both = _predict(c, torch.cat([x, x]), torch.cat([timesteps, timesteps]), torch.cat([empty, prompt]))
    without, with_prompt = both.chunk(2)
    return without + scale * (with_prompt - without)


def _set_timesteps(scheduler: Any, steps: int, _tokens: int, device: torch.device) -> None:
    scheduler.set_timesteps(steps, device=device)


def _left_out(steps: int, strength: float) -> int:
    """As StableDiffusionImg2ImgPipeline and StableDiffusionInpaintPipeline count (``get_timesteps``)."""
    return steps - min(int(steps * strength), steps)


def _noised(scheduler: Any, sources: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
    mixed: Tensor = scheduler.add_noise(sources, noise, timestep)
    return mixed


FAMILIES = {
    "stable_diffusion": Family(
        load=_load_stable_diffusion,
        encode=_encode,
        scale=_scale,
        embed=_embed,
        predict=_predict,
        objective=_objective,
        pixels=_pixels,
        guide=_guide,
        set_timesteps=_set_timesteps,
        left_out=_left_out,
        noised=_noised,
        quick_scheduler="DPMSolverMultistepScheduler",
    ),
    "flux": Family(
        load=flux.load_flux,
        encode=_encode,
        scale=_scale,
        embed=flux.embed,
        predict=flux.predict,
        objective=flux.objective,
        pixels=_pixels,
        guide=flux.guide,
        set_timesteps=flux.set_timesteps,
        left_out=flux.left_out,
        noised=flux.noised,
        quick_scheduler="FlowMatchEulerDiscreteScheduler",
    ),
}

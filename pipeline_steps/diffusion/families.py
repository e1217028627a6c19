"""Model families: how to load, encode, predict and decode. A family is a row of functions in ``FAMILIES``."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_steps.diffusion.objectives import Objective, diffusion_objective
from pipeline_steps.records.errors import DataError

Images = npt.NDArray[np.uint8]
# Up to this latent side, plain products beat the fused attention kernel on CPUs: its backward pass is slow there.
_PLAIN_ATTENTION = 32


@dataclass(frozen=True)
class BaseModel:
    """Where a base model lies (folder in diffusers layout, or a hub id with its revision) and how to compute."""

    family: str
    location: str
    revision: str | None
    dtype: str


@dataclass(frozen=True)
class Components:
    """A loaded base model. ``digest`` identifies its weights in cache keys."""

    tokenizer: Any
    text_encoder: Any
    vae: Any
    denoiser: Any
    scheduler: Any
    objective: Objective
    digest: str
    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True)
class Family:
    """Functions of one model family.

    encode: images (B, H, W, 3) uint8 to latent mean and standard deviation, each (B, C, h, w), unscaled;
    embed: token ids (B, L) to prompt embeddings (B, L, D); predict: x_t, timesteps (B,), embeddings to the
    denoiser's output; pixels: scaled latents to (B, 3, H, W), [-1, 1], with gradients; scale: unscaled latents to
    the denoiser's.
    """

    load: Callable[[BaseModel], Components]
    encode: Callable[[Components, Images], tuple[Tensor, Tensor]]
    scale: Callable[[Components, Tensor], Tensor]
    embed: Callable[[Components, Tensor], Tensor]
    predict: Callable[[Components, Tensor, Tensor, Tensor], Tensor]
    pixels: Callable[[Components, Tensor], Tensor]

    @torch.no_grad()
    def decode(self, c: Components, latents: Tensor) -> Images:
        """Scaled latents to images (B, H, W, 3) uint8."""
        pixels = self.pixels(c, latents)
        return ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def family(base: BaseModel) -> Family:
    """The row of functions that fits ``base``.

    Raises:
        DataError: there is no such family.
    """
    if base.family not in FAMILIES:
        raise DataError(f"base model family {base.family!r} is none of {', '.join(FAMILIES)}")
    return FAMILIES[base.family]


def resolve(base: BaseModel) -> Path:
    """The local folder of a base model; a hub id is looked up in the cache or downloaded.

    Raises:
        DataError: it is neither a folder nor to be had from the hub.
    """
    folder = Path(base.location)
    if (folder / "model_index.json").is_file():
        return folder
    advice = (
        f"base model {base.location!r} is neither a folder with model_index.json nor to be had from the hub; set "
        "base_models.<name>.location to a local copy, or (gated models) accept the licence and run 'hf auth login'"
    )
    if folder.is_absolute() or base.location.startswith((".", "models/")) or base.location.count("/") != 1:
        raise DataError(advice)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base.location, revision=base.revision, ignore_patterns=["*.ckpt", "*.bin"]))
    except Exception as error:
        raise DataError(f"{advice} ({type(error).__name__})") from error


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a model folder's configuration and weights."""
    h = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.suffix in {".json", ".safetensors", ".txt"}):
        h.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                h.update(block)
    return h.hexdigest()


def _load_stable_diffusion(base: BaseModel) -> Components:
    """Load any pipeline with tokenizer, text_encoder, vae and unet; safetensors only."""
    from diffusers import AutoencoderKL, AutoencoderTiny, DDPMScheduler, UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor
    from diffusers.utils import logging
    from transformers import CLIPTextModel, CLIPTokenizer

    logging.set_verbosity_error()
    folder = resolve(base)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = getattr(torch, base.dtype)
    tiny = "AutoencoderTiny" in (folder / "model_index.json").read_text("utf-8")
    scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
    options = {"torch_dtype": dtype, "use_safetensors": True}
    parts = {
        "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype, use_safetensors=True),
        "vae": (AutoencoderTiny if tiny else AutoencoderKL).from_pretrained(folder / "vae", **options),
        "denoiser": UNet2DConditionModel.from_pretrained(folder / "unet", **options),
    }
    for part in parts.values():
        part.requires_grad_(False).eval().to(device, memory_format=torch.channels_last)
    if device.type == "cpu" and parts["denoiser"].config.sample_size <= _PLAIN_ATTENTION:
        parts["denoiser"].set_attn_processor(AttnProcessor())
    objective = diffusion_objective(scheduler.alphas_cumprod, scheduler.config.prediction_type)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    return Components(
        tokenizer=tokenizer,
        scheduler=scheduler,
        objective=objective,
        digest=weights_digest(folder),
        device=device,
        dtype=dtype,
        **parts,
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
    hidden: Tensor = c.text_encoder(ids.to(c.device)).last_hidden_state
    return hidden


def _predict(c: Components, x_t: Tensor, timesteps: Tensor, embeds: Tensor) -> Tensor:
    # A 16-bit base computes in 16 bits also where an adapter's trainable weights are kept in 32.
    with torch.autocast(c.device.type, c.dtype, enabled=c.dtype != torch.float32):
        predicted: Tensor = c.denoiser(x_t, timesteps, embeds).sample
    return predicted


def _pixels(c: Components, latents: Tensor) -> Tensor:
    unscaled = latents / c.vae.config.scaling_factor + (getattr(c.vae.config, "shift_factor", None) or 0.0)
    pixels: Tensor = c.vae.decode(unscaled.to(c.dtype)).sample.float()
    return pixels


FAMILIES = {"stable_diffusion": Family(_load_stable_diffusion, _encode, _scale, _embed, _predict, _pixels)}

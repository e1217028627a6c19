"""The small models and the rendered photographs that all sides work on."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.diffusion.families import FAMILIES
from pipeline_steps.diffusion.hub import BaseModel, Components

SHIPPED = Path("models/base/phantom-sd")
CAPTION = "An image of {condition} on the skin of {skin} individual"
SKIN = {
    1: "a very light-skinned",
    2: "a light-skinned",
    5: "a dark-skinned",
    6: "a very dark-skinned",
}
# Stable Diffusion's autoencoder (its blocks, 8 pixels a latent, 4 channels) at a quarter of its width.
KL = {
    "block_out_channels": (32, 64, 128, 128),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
    "layers_per_block": 2,
}


def load(folder: Path) -> Components:
    """A model as the stages load it."""
    return FAMILIES["stable_diffusion"].load(BaseModel("stable_diffusion", str(folder), None, "float32"))


def write_models(folder: Path) -> dict[str, Path]:
    """The shipped model in 32 bits, and it with an AutoencoderKL; the second's new weights are random."""
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

    c = load(SHIPPED)
    torch.manual_seed(0)
    kl = UNet2DConditionModel.from_config({**c.denoiser.config, "in_channels": 4, "out_channels": 4})
    kinds = {"tiny": (c.vae, c.denoiser), "kl": (AutoencoderKL(**KL), kl)}
    for name, (vae, unet) in kinds.items():
        pipeline = StableDiffusionPipeline(
            vae, c.text_encoder, c.tokenizer, unet, c.scheduler, None, None, requires_safety_checker=False
        )
        for part in (vae, unet, c.text_encoder):
            part.to(memory_format=torch.contiguous_format)
        pipeline.save_pretrained(folder / name)
    return {name: folder / name for name in kinds}


def phantoms(count: int, types: tuple[int, ...], seed: int, side: int) -> tuple[np.ndarray, list[str], list[int]]:
    """Rendered photographs (N, side, side, 3), their conditions and skin types, each in turn."""
    conditions = list(CONDITIONS)
    told = [(conditions[i % len(conditions)], types[i // len(conditions) % len(types)]) for i in range(count)]
    images = [render_condition(what, skin, seed + i, side).image for i, (what, skin) in enumerate(told)]
    return np.stack(images), [what for what, _ in told], [skin for _, skin in told]


def captions(conditions: list[str], types: list[int]) -> list[str]:
    """What the default template says of each."""
    return [CAPTION.format(condition=c, skin=SKIN[t]) for c, t in zip(conditions, types, strict=True)]


def write_folder(folder: Path, images: np.ndarray, texts: list[str]) -> Path:
    """Images as PNG files in ``folder/train`` with the metadata that ``datasets``' imagefolder reads beside them."""
    (folder / "train").mkdir(parents=True)
    rows = []
    for i, (image, text) in enumerate(zip(images, texts, strict=True)):
        Image.fromarray(image).save(folder / "train" / f"{i:04d}.png")
        rows.append(json.dumps({"file_name": f"{i:04d}.png", "text": text}))
    (folder / "train" / "metadata.jsonl").write_text("\n".join(rows))
    return folder

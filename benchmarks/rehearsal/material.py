"""What the stages work on: rendered photographs with masks, tables of them, and a small random base model."""

import csv
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.progress import Track

T = TypeVar("T")
SIDE = 512  # pixels, of what the stages work on
TABLE_SIDE = 256  # of Fitzpatrick17k's, as in the profile lesiongen
PHOTOGRAPH = (640, 576)  # pixels, width and height of a file, of which ingest keeps the middle; a table's are half that
_DRAWN = 128  # pixels, at which a photograph is rendered; then it is enlarged
_GRAIN = 6  # greatest change of a pixel's channels
_TYPES = (1, 2, 1, 2, 1, 2, 5, 6)  # three quarters are of the majority
_PICTURES, _MASKS, _TABLE = "images", "masks", "labels.csv"
# Stable Diffusion's autoencoder (8 pixels a latent, 4 channels) and the shipped denoiser, both narrow.
_VAE = {
    "block_out_channels": (8, 16, 32, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "sample_size": SIDE,
}
_UNET = {"in_channels": 4, "out_channels": 4, "block_out_channels": (32, 64), "sample_size": SIDE // 8}


def draw(picture: Path, mask: Path | None, condition: str, skin_type: int, seed: int, part: int = 1) -> dict[str, str]:
    """Write a photograph as JPEG, and its lesion's mask as PNG; what is to be seen on it.

    ``part``: of ``PHOTOGRAPH`` that it measures. What is written already stays.
    """
    drawn, size = render_condition(condition, skin_type, seed, _DRAWN), (PHOTOGRAPH[0] // part, PHOTOGRAPH[1] // part)
    if not picture.exists():
        large = np.asarray(Image.fromarray(drawn.image).resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
        grain = np.random.default_rng(seed).integers(-_GRAIN, _GRAIN + 1, (*large.shape[:2], 1), np.int16)
        with atomic_file(picture) as file:
            Image.fromarray((large + grain).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    if mask is not None and not mask.exists():
        marked = Image.fromarray(np.asarray(drawn.mask, bool)).convert("L")
        with atomic_file(mask) as file:
            marked.resize(size, Image.Resampling.NEAREST).save(file, "PNG")
    return dict(drawn.attributes)


def write_photographs(folder: Path, count: int) -> Path:
    """A folder with ``count`` photographs, masks and their table, the first ones of any larger folder; the folder.

    Conditions take turns. A patient has two photographs of one condition.
    """
    names = list(CONDITIONS)
    for part in (_PICTURES, _MASKS):
        (folder / part).mkdir(parents=True, exist_ok=True)

    def row(i: int) -> dict[str, str]:
        condition, visit = names[i % len(names)], i // len(names) // 2
        skin_type, name = _TYPES[visit % len(_TYPES)], f"{i:05d}"
        seen = draw(folder / _PICTURES / f"{name}.jpg", folder / _MASKS / f"{name}.png", condition, skin_type, i)
        patient = f"{i % len(names)}-{visit}"
        return {"file": f"{name}.jpg", "label": condition, "fitzpatrick": str(skin_type), "patient": patient, **seen}

    rows = _in_threads(row, range(count))
    columns = list(dict.fromkeys(key for each in rows for key in each))
    with atomic_file(folder / _TABLE) as file, file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def rows_of(table: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with table.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_named(folder: Path, table: Path) -> Path:
    """A photograph for each row of Fitzpatrick17k's ``table``, named by its ``md5hash``; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows_of(table)
    names = list(CONDITIONS)

    def one(i: int) -> None:
        skin_type = int(float(rows[i]["fitzpatrick_scale"]))
        known = skin_type if skin_type in range(1, 7) else 1 + i % 6
        picture = folder / f"{rows[i]['md5hash']}.jpg"
        if not picture.exists():
            draw(picture, None, names[i % len(names)], known, i, SIDE // TABLE_SIDE)

    _in_threads(one, range(len(rows)))
    return folder


def _in_threads(work: Callable[[int], T], numbers: Sequence[int]) -> list[T]:
    with ThreadPoolExecutor(2) as pool:
        return list(Track(pool.map(work, numbers), "photographs", len(numbers)))


def write_model(folder: Path, shipped: Path) -> Path:
    """A model with Stable Diffusion's latents (4 x 64 x 64 of an image) and random weights; the folder.

    Words are read by the ``shipped`` model's encoder, so that prompts are of its length.
    """
    if folder.exists():
        return folder
    import torch
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    pipeline = StableDiffusionPipeline.from_pretrained(shipped, safety_checker=None, requires_safety_checker=False)
    pipeline.register_modules(
        vae=AutoencoderKL(**_VAE), unet=UNet2DConditionModel.from_config({**pipeline.unet.config, **_UNET})
    )
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    pipeline.save_pretrained(unfinished)
    unfinished.rename(folder)
    return folder

"""Read generated images back: the folder of ``generate``, alone or as ``screen`` left it."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from pipeline_steps.records.image_files import ImageFiles
from pipeline_steps.records.privacy import public_ids
from pipeline_steps.records.text_tables import read_text_table

METADATA = "metadata.csv"
_NUMBERS = ("copy", "seed")
PIXELS, MASK_PIXELS = "sha256", "mask_sha256"  # digests of an image's pixels, and of its mask's
MASK_COLUMN = "mask_file_name"  # the name by which datasets' imagefolder loads it as an image, too
STARTS_FROM_SOURCE = "starts_from_source"  # whether an image began as its source's pixels, or has its caption alone


def pixels_of(file: bytes) -> npt.NDArray[np.uint8]:
    """An image file's pixels (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def mask_of(file: bytes) -> npt.NDArray[np.bool_]:
    """A mask file's mask (H, W)."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("L")) > 127


def read_metadata(folder: Path) -> pd.DataFrame:
    """Metadata of all generated images: text as text (a condition may be called ``True`` or ``1``), numbers as such."""
    table = read_text_table(folder / METADATA)
    numbers = {name: table[name].astype("int64") for name in _NUMBERS if name in table}
    truths = {name: table[name] == "True" for name in (STARTS_FROM_SOURCE, "is_synthetic") if name in table}
    return table.assign(**numbers, **truths)


def images_of(folder: Path, table: pd.DataFrame) -> ImageFiles:
    """The generated images in ``table``, (H, W, 3) uint8 each."""
    return ImageFiles([folder / name for name in table["file_name"]], list(table[PIXELS]))


def masks_of(folder: Path, table: pd.DataFrame) -> ImageFiles | None:
    """Lesion masks (H, W) bool of the generated images in ``table``; None where they were made without."""
    if MASK_COLUMN not in table:
        return None
    return ImageFiles([folder / name for name in table[MASK_COLUMN]], list(table[MASK_PIXELS]), are_masks=True)


def read_accepted(folder: Path, screened: Path, copies: int = 0) -> pd.DataFrame:
    """Metadata of the images that ``screen`` accepted; of the first ``copies`` of each source, or of all."""
    table = read_metadata(folder)
    verdict = pd.read_parquet(screened).set_index("file_name").loc[list(table["file_name"]), "accepted"].to_numpy()
    if copies > 0:
        verdict = verdict & (table["copy"] < copies).to_numpy()
    return table[verdict].reset_index(drop=True)


def source_groups(sources: pd.Series, partition: pd.DataFrame) -> list[str]:
    """The group of each generated image: its source's in the rows of a split, or one of its own where those lack it.

    ``sources`` are public ids, as ``metadata.csv`` has them.
    """
    groups = dict(zip(public_ids(partition), partition["group"], strict=True))
    return [str(groups.get(source, source)) for source in sources]

"""What an adapter returns: a table of images and a way to load each one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.pixels.images import Pixels

OF_MASK = "mask: "  # before what is said of an image's mask


class Loaded(NamedTuple):
    """Pixels (S, S, 3), mask (S, S) or None, and notes on how the files were read, as the manifest keeps them."""

    pixels: Pixels
    mask: npt.NDArray[np.bool_] | None
    notes: tuple[str, ...]


COLUMNS = (
    "image_id",
    "file",
    "condition",
    "fitzpatrick_scale",
    "skin_scale",
    "skin_value",
    "skin_assigner",
    "skin_raw",
    "other_skin",
    "patient_id",
    "lesion_id",
    "role",
    "attributes",
    "licence",
    "redistribute",
    "attribution",
)


@dataclass(frozen=True)
class Source:
    """``table`` has ``COLUMNS``; ``load(position)`` gives an image and its mask.

    ``load`` raises FileNotFoundError where there is no file and BadImageError where it can't be used.
    ``key(position)`` names all that the image depends on (its files' content, how it is decoded, the code), or is empty
    where that is not known, as where there is no file.

    ``report`` counts what the adapter noticed in the table. ``threads``: how many ``load`` at once; more than one slows
    what is computed in Python. ``lacking``: why none of the images is there, where that is so.
    """

    table: pd.DataFrame
    load: Callable[[int], Loaded]
    report: dict[str, int]
    threads: int
    lacking: str = ""
    key: Callable[[int], str] = lambda _: ""

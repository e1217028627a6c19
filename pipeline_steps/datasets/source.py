"""What an adapter returns: a table of images and a way to load each one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.records.images import Pixels

Loaded = tuple[Pixels, npt.NDArray[np.bool_] | None]

COLUMNS = (
    "image_id",
    "file",
    "condition",
    "fitzpatrick_scale",
    "skin_group",
    "skin_source",
    "patient_id",
    "lesion_id",
    "role",
    "attributes",
)


@dataclass(frozen=True)
class Source:
    """``table`` has ``COLUMNS``; ``load(position)`` gives pixels (S, S, 3) and mask (S, S) or None.

    ``load`` raises FileNotFoundError where there is no file and BadImageError where it can't be used.
    ``report`` counts what the adapter noticed in the table. ``threads``: how many ``load`` at once; more than one slows
    what is computed in Python.
    """

    table: pd.DataFrame
    load: Callable[[int], Loaded]
    report: dict[str, int]
    threads: int

"""The manifest: one row an image, present or not, and the files of pixels that go with it.

``reason`` says why an image is quarantined; ``notes`` (several joined by "; ") how a present one could be read.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from pipeline_steps.records.image_files import IMAGES, MASKS, ImageFiles, file_of
from pipeline_steps.records.skin_scales import ITA, RENDERED, ita_class
from pipeline_steps.stage.errors import DataError

PRESENT, MISSING, QUARANTINED = "present", "missing", "quarantined"
UNLABELLED = "unlabelled"  # the condition of an image without a label


@dataclass(frozen=True)
class Dataset:
    """An ingested data set: its manifest, and the folder in which its images and masks lie as files by content."""

    manifest: pd.DataFrame
    folder: Path

    @cached_property
    def _by_id(self) -> pd.DataFrame:
        return self.manifest.set_index("image_id")

    def _of(self, image_ids: pd.Series | list[str], column: str) -> list[Any]:
        return self._by_id[column].loc[list(image_ids)].to_list()

    def images(self, image_ids: pd.Series | list[str]) -> ImageFiles:
        """The named images, (S, S, 3) uint8 each.

        Raises:
            DataError: one of them has no pixels (missing or quarantined).
        """
        digests = self._of(image_ids, "sha256")
        if absent := [i for i, digest in zip(image_ids, digests, strict=True) if not digest]:
            raise DataError(
                f"{len(absent)} of {len(digests)} images have no pixels (first: {absent[0]}); "
                "put the image files into the data set's image folder and run ingest again"
            )
        return ImageFiles([file_of(self.folder, IMAGES, d) for d in digests], digests)

    def with_mask(self, image_ids: pd.Series | list[str]) -> npt.NDArray[np.bool_]:
        """Which of the named images have a lesion mask."""
        return np.array(self._of(image_ids, "has_mask"), bool)

    def masks_of(self, image_ids: pd.Series | list[str]) -> ImageFiles:
        """Lesion masks of the named images, (S, S) bool each.

        Raises:
            DataError: one of them has no mask.
        """
        digests = self._of(image_ids, "mask_sha256")
        if absent := [i for i, digest in zip(image_ids, digests, strict=True) if not digest]:
            raise DataError(
                f"{len(absent)} of {len(digests)} images have no lesion mask (first: {absent[0]}); "
                "choose an augmenter or a region that needs none, or add masks to the data set and run ingest again"
            )
        return ImageFiles([file_of(self.folder, MASKS, d) for d in digests], digests, are_masks=True)

    def known_mask(self, image_id: str) -> npt.NDArray[np.bool_] | None:
        """The lesion mask (S, S) of an image, None of one without."""
        return self.masks_of([image_id])[0] if self._by_id["has_mask"].loc[image_id] else None

    @property
    def side(self) -> int:
        """Height and width of its images in pixels; 0 where there is none."""
        digests = self.manifest["sha256"]
        there = digests[digests != ""]
        if not len(there):
            return 0
        with Image.open(file_of(self.folder, IMAGES, there.iloc[0])) as image:
            return int(image.width)


def open_dataset(folder: Path) -> Dataset:
    """Open what ``ingest`` wrote; images stay on disk until they are indexed."""
    return Dataset(pd.read_parquet(folder / "manifest.parquet"), folder)


def is_rendered(manifest: pd.DataFrame) -> bool:
    """Whether all images are phantoms, made from no file: what is measured on them says nothing of patients."""
    return bool(((manifest["skin_assigner"] == RENDERED) & (manifest["file"] == "")).all())


def by_skin_type(rows: pd.DataFrame) -> dict[str, int]:
    """How many rows there are of each value of the skin's scale; ``unknown`` where there is none."""
    return by_level(rows.assign(level=skin_values(rows)))


def skin_values(rows: pd.DataFrame) -> "pd.Series[str]":
    """What is known of each image's skin on its own scale, of angles (ITA) their published class; else empty."""
    told = zip(rows["skin_scale"], rows["skin_value"], strict=True)
    named = [ita_class(float(value)) if scale == ITA else value for scale, value in told]
    return pd.Series(named, index=rows.index, dtype=str)


def by_level(rows: pd.DataFrame) -> dict[str, int]:
    """How many rows there are of each ``level``; ``unknown`` where that is empty."""
    named = rows["level"].replace("", "unknown").value_counts().sort_index()
    return {str(name): int(n) for name, n in named.items()}


def safe_path(root: Path, name: str) -> Path:
    """``root / name``, where ``name`` comes from somebody's table.

    Raises:
        DataError: the name is absolute, has ``..`` or NUL, or leads through a link out of ``root``.
    """
    path = inner_path(root, name)
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"file name {name!r} leads through a link out of {root}; copy the file instead")
    return path


def inner_path(root: Path, name: str) -> Path:
    """``root / name`` by the name alone: nothing on the disk is looked at.

    Raises:
        DataError: the name is absolute, has ``..`` or NUL.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts if "\0" not in name else ()
    if not parts or parts[0] in {"/", ""} or ".." in parts or ":" in parts[0]:
        raise DataError(f"file name {name!r} does not stay inside {root}; use plain relative names")
    return root.joinpath(*parts)

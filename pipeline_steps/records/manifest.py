"""The manifest: one row an image, present or not, and the pixels that go with it.

``reason`` says why an image is quarantined; ``notes`` (several joined by "; ") how a present one could be read.
"""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.records.populations import SKIN_TYPE, level_text
from pipeline_steps.records.unknown import is_unknown
from pipeline_steps.stage.errors import DataError

PRESENT, MISSING, QUARANTINED = "present", "missing", "quarantined"
_OF_THE_SET = ("condition", "patient_id", "lesion_id", "role")  # what a set may say beside skin type and attributes
UNLABELLED = "unlabelled"  # the condition of an image without a label


@dataclass(frozen=True)
class Dataset:
    """An ingested data set: its manifest; pixels (N, S, S, 3) uint8 and masks (N, S, S) by ``row``."""

    manifest: pd.DataFrame
    pixels: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.bool_]

    def images(self, image_ids: pd.Series | list[str]) -> npt.NDArray[np.uint8]:
        """Pixels (len(image_ids), S, S, 3) of the named images.

        Raises:
            DataError: one of them has no pixels (missing or quarantined).
        """
        rows = self._rows(image_ids)
        if (rows < 0).any():
            absent = [i for i, r in zip(image_ids, rows, strict=True) if r < 0]
            raise DataError(
                f"{len(absent)} of {len(rows)} images have no pixels (first: {absent[0]}); "
                "put the image files into the data set's image folder and run ingest again"
            )
        return np.ascontiguousarray(self.pixels[rows])

    def with_mask(self, image_ids: pd.Series | list[str]) -> npt.NDArray[np.bool_]:
        """Which of the named images have a lesion mask."""
        known: npt.NDArray[np.bool_] = self.manifest.set_index("image_id").loc[list(image_ids), "has_mask"].to_numpy()
        return known

    def masks_of(self, image_ids: pd.Series | list[str]) -> npt.NDArray[np.bool_]:
        """Lesion masks (len(image_ids), S, S) of the named images.

        Raises:
            DataError: one of them has no mask.
        """
        known = self.with_mask(image_ids)
        if not known.all():
            absent = [i for i, k in zip(image_ids, known, strict=True) if not k]
            raise DataError(
                f"{len(absent)} of {len(known)} images have no lesion mask (first: {absent[0]}); "
                "choose an augmenter or a region that needs none, or add masks to the data set and run ingest again"
            )
        return np.ascontiguousarray(self.masks[self._rows(image_ids)])

    def known_masks(self, image_ids: pd.Series | list[str]) -> list[npt.NDArray[np.bool_] | None]:
        """Lesion masks (S, S) of the named images, None of those without."""
        rows = self._rows(image_ids)
        return [self.masks[row] if known else None for row, known in zip(rows, self.with_mask(image_ids), strict=True)]

    def _rows(self, image_ids: pd.Series | list[str]) -> npt.NDArray[np.int64]:
        rows: npt.NDArray[np.int64] = self.manifest.set_index("image_id").loc[list(image_ids), "row"].to_numpy()
        return rows


def open_dataset(folder: Path) -> Dataset:
    """Open what ``ingest`` wrote; pixels stay on disk until they are indexed."""
    manifest = pd.read_parquet(folder / "manifest.parquet")
    return Dataset(
        manifest, np.load(folder / "pixels.npy", mmap_mode="r"), np.load(folder / "masks.npy", mmap_mode="r")
    )


RENDERED = "rendered"  # as ``skin_source``: the skin type is what the image was made with


def is_rendered(manifest: pd.DataFrame) -> bool:
    """Whether all images are phantoms, made from no file: what is measured on them says nothing of patients."""
    return bool(((manifest["skin_source"] == RENDERED) & (manifest["file"] == "")).all())


def by_skin_type(rows: pd.DataFrame) -> dict[str, int]:
    """How many rows there are of each skin type; of its group where the type is unknown; else ``unknown``."""
    return by_level(rows.assign(level=levels(rows, SKIN_TYPE)))


def levels(manifest: pd.DataFrame, column: str) -> "pd.Series[str]":
    """The level of each image, empty where it is unknown; of skin its type, else its group.

    Raises:
        DataError: the data set names nothing ``column`` for any image.
    """
    if column == SKIN_TYPE:
        group = manifest["skin_group"] if "skin_group" in manifest else pd.Series("", index=manifest.index)
        return manifest[SKIN_TYPE].astype("Int64").astype("string").fillna(group).astype(str)
    attributes = [json.loads(text) for text in manifest["attributes"]]
    if any(column in one for one in attributes):
        said = pd.Series([str(one.get(column, "")) for one in attributes], index=manifest.index)
    elif column in _OF_THE_SET:
        said = manifest[column].astype(str)
    else:
        there = sorted({SKIN_TYPE, *_OF_THE_SET, *(name for one in attributes for name in one)})
        raise DataError(
            f"population.column is {column!r}, which the images have not; they have {', '.join(there)}. Name one of "
            "them, or read the table by the adapter folder, with the column among ingest.sources.folder.attributes"
        )
    return said.map(level_text).mask(said.map(is_unknown), "")


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

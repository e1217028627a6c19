"""The manifest: one row an image, present or not, and the pixels that go with it.

``reason`` says why an image is quarantined; ``notes`` (several joined by "; ") how a present one could be read.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.records.skin_scales import ITA, RENDERED, ita_class
from pipeline_steps.stage.errors import DataError

PRESENT, MISSING, QUARANTINED = "present", "missing", "quarantined"
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

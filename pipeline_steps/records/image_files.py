"""Images as files by content: each is written once, and read when a batch asks for it.

A file's name is the SHA-256 of its pixels. Photographs are TIFF without compression, which any viewer opens: at 512
pixels it is written 20 times and read 6 times faster than PNG, so that no second copy of the pixels is needed for
trainings. Masks are PNG.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

IMAGES, MASKS = "images", "masks"
_ENDINGS = {IMAGES: ".tiff", MASKS: ".png"}


class ImageRows(Protocol):
    """Images (N, H, W, 3) uint8, or masks (N, H, W) bool, that give an array of those at some rows: arrays do."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, rows: Any, /) -> Any:
        """Those at ``rows``: a slice, positions or truth values, as numpy takes them; of one position, that image."""
        ...


@dataclass(frozen=True)
class ImageFiles:
    """Images (N, H, W, 3) uint8, or where ``are_masks`` masks (N, H, W) bool, read from their files when asked for.

    ``digests``: of the pixels of each, as ``pixels.images.digest`` gives them.
    """

    paths: Sequence[Path]
    digests: Sequence[str]
    are_masks: bool = False

    def __len__(self) -> int:
        """How many there are."""
        return len(self.paths)

    def __getitem__(self, rows: Any) -> npt.NDArray[Any]:
        """Those at ``rows``, as an array's would be."""
        chosen = np.arange(len(self.paths))[rows]
        if chosen.ndim == 0:
            return self._read(self.paths[int(chosen)])
        if not len(chosen):
            return np.empty((0, 1, 1), bool) if self.are_masks else np.empty((0, 1, 1, 3), np.uint8)
        return np.stack([self._read(self.paths[row]) for row in chosen])

    def _read(self, path: Path) -> npt.NDArray[Any]:
        with Image.open(path) as image:
            if self.are_masks:
                return np.asarray(image.convert("L")) > 127
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))

    def __add__(self, others: "ImageFiles") -> "ImageFiles":
        """These, then ``others``."""
        return ImageFiles([*self.paths, *others.paths], [*self.digests, *others.digests], self.are_masks)


@dataclass(frozen=True)
class Picked:
    """Some ``rows`` of ``images``, unread."""

    images: ImageRows
    rows: Sequence[int]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.rows)

    def __getitem__(self, rows: Any) -> npt.NDArray[Any]:
        """Those at ``rows`` of what was picked."""
        found: npt.NDArray[Any] = self.images[np.asarray(self.rows)[rows]]
        return found


def joined(first: ImageRows, second: ImageRows) -> ImageRows:
    """Both, one after the other: unread if both are files."""
    if isinstance(first, ImageFiles) and isinstance(second, ImageFiles):
        return first + second
    return np.concatenate([first[:], second[:]])


def file_of(folder: Path, kind: str, digest: str) -> Path:
    """Where an image (``IMAGES``) or a mask (``MASKS``) of such content lies in a data set's folder."""
    return folder / kind / digest[:2] / f"{digest}{_ENDINGS[kind]}"


def write_image(folder: Path, kind: str, digest: str, pixels: npt.NDArray[Any]) -> None:
    """Write pixels (H, W, 3) uint8, or a mask (H, W) bool, unless it is there; threads may write the same."""
    path = file_of(folder, kind, digest)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{threading.get_ident()}{path.suffix}")
    Image.fromarray(pixels.astype(np.uint8) * 255 if kind == MASKS else pixels).save(own)
    own.replace(path)

"""What screening asks of one image: its contrast, the tone of its skin, and how its lesion's mask looks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

from pipeline_steps.items.closure import code_version
from pipeline_steps.items.numbers import measured_once
from pipeline_steps.items.store import ItemStore, item_key
from pipeline_steps.pixels.images import digests_of
from pipeline_steps.pixels.ita import skin_ita
from pipeline_steps.records.image_files import ImageRows

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Appearances:
    """How N images look.

    ``contrast``: of 255; ``ita``: in degrees, NaN where too little skin shows; ``mask_area``: the share of the image
    that its mask marks, and ``largest_part``: the largest connected part's share of that; 0 of images without a mask.
    """

    contrast: Floats
    ita: Floats
    mask_area: Floats
    largest_part: Floats

    def __len__(self) -> int:
        """How many images."""
        return len(self.contrast)


def appearances(
    images: ImageRows, masks: Sequence[int] | None, drawn: ImageRows | None, store: ItemStore
) -> Appearances:
    """How ``images`` (N, H, W, 3) look, each looked at once.

    ``masks``: the row in ``drawn`` of each image's mask, -1 of one without; None if there are none at all.
    """
    code, rows = code_version(__name__), [-1] * len(images) if masks is None else masks
    digests = [] if drawn is None else digests_of(drawn)
    keys = [
        item_key("appearance", code, image=image, mask=digests[row] if row >= 0 else "")
        for image, row in zip(digests_of(images), rows, strict=True)
    ]

    def look(i: int) -> tuple[float, ...]:
        return _appearance(images[i], drawn[rows[i]] if drawn is not None and rows[i] >= 0 else None)

    found = measured_once(keys, look, store, "appearance") if keys else np.empty((0, 4))
    return Appearances(*found.T)


def _appearance(image: npt.NDArray[np.uint8], mask: Mask | None) -> tuple[float, float, float, float]:
    area, largest = (0.0, 0.0) if mask is None else (float(mask.mean()), largest_part(mask))
    return contrast(image), skin_ita(image, mask), area, largest


def contrast(image: npt.NDArray[np.uint8]) -> float:
    """Standard deviation of the luma of an image (H, W, 3), of 255."""
    luma = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return float(luma.ravel().std())


def largest_part(mask: Mask) -> float:
    """The largest connected part's share of what a mask (H, W) marks; 0 where that is nothing."""
    parts, _ = label(mask)
    sizes = np.bincount(parts.ravel())[1:]
    return float(sizes.max() / sizes.sum()) if len(sizes) else 0.0

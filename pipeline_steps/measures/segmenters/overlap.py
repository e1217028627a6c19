"""How far masks overlap, pair by pair."""

import numpy as np
import numpy.typing as npt

Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def dice(one: Masks, other: Masks) -> Floats:
    """Dice coefficient (N,) of pairs of masks (N, H, W); NaN where both are empty: that is no agreement on a lesion."""
    both, sizes = (one & other).sum(axis=(1, 2)), one.sum(axis=(1, 2)) + other.sum(axis=(1, 2))
    return np.where(sizes > 0, 2 * both / np.maximum(sizes, 1), np.nan)


def iou(one: Masks, other: Masks) -> Floats:
    """Intersection over union (N,) of pairs of masks (N, H, W); NaN where both are empty."""
    both, either = (one & other).sum(axis=(1, 2)), (one | other).sum(axis=(1, 2))
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)

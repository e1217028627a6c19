"""Lesion masks as weights of pixels."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, gaussian_filter

Mask = npt.NDArray[np.bool_]
Images = npt.NDArray[np.uint8]


def dilate(mask: Mask, pixels: int) -> Mask:
    """``mask`` (H, W) and all that lies within so many pixels of it."""
    return binary_dilation(mask, iterations=pixels) if pixels > 0 else mask


def feather(mask: Mask, width: float) -> npt.NDArray[np.float32]:
    """1 within ``mask`` (H, W), falling to 0 outside it over about ``width`` pixels."""
    blurred = gaussian_filter(mask.astype(np.float32), width) if width > 0 else mask
    return np.maximum(np.clip(2 * blurred, 0, 1), mask).astype(np.float32)


def paste(
    images: Images, made: Images, regions: Mask, width: float, edge: Literal["inside", "outside"] = "inside"
) -> Images:
    """``made`` within ``regions`` (B, H, W), ``images`` (B, H, W, 3) elsewhere but for a feathered edge.

    Inside the regions, it leaves every pixel beside them as it was; outside, it leaves nothing of ``images`` in them.
    """
    weights = [1 - feather(~region, width) if edge == "inside" else feather(region, width) for region in regions]
    weight = np.stack(weights)[..., None]
    return np.round(weight * made + (1 - weight) * images).astype(np.uint8)

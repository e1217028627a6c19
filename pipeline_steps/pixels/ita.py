"""The skin tone that an image shows: ITA of its skin outside of the lesion, and of its border as it is."""

from collections.abc import Iterable, Iterator
from itertools import repeat

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from pipeline_steps.pixels.color import individual_typology_angle, lab_from_srgb
from pipeline_steps.records.skin_types import type_from_ita

Image = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Types = npt.NDArray[np.int64]
UNMEASURED = 0  # the type of an image that shows too little skin

# Chai and Ngan 1999 (IEEE Trans. Circuits Syst. Video Technol. 9(4):551-564): skin by chrominance alone, so that
# lightness plays no part. ITU-R BT.601, 8 bits.
_CB, _CR = (77, 127), (133, 173)
_BORDER = 10  # part of the side that is border; lesions seldom reach there
_MARGIN = 20  # part of the side by which a lesion's mask is grown: its halo is no healthy skin
_LEAST_SKIN = 0.01  # share of an image; fewer pixels tell no tone


def border_lab(image: Image) -> npt.NDArray[np.float32]:
    """Median CIELAB colour (3,) of the border of an image (H, W, 3)."""
    band = max(2, image.shape[0] // _BORDER)
    strips = [image[:band], image[-band:], image[:, :band], image[:, -band:]]
    pixels = np.concatenate([s.reshape(-1, 3) for s in strips])
    median: npt.NDArray[np.float32] = np.median(lab_from_srgb(np.asarray(pixels / 255, np.float32)), axis=0)
    return median


def border_ita(images: Image) -> npt.NDArray[np.float32]:
    """ITA (N,) in degrees of the median colour of each image's border; images (N, H, W, 3)."""
    return np.array([individual_typology_angle(border_lab(image)) for image in images], np.float32)


def skin_pixels(image: Image) -> Bools:
    """Which pixels (H, W) of an image (H, W, 3) have the chrominance of skin, by Chai and Ngan's rule."""
    r, g, b = np.moveaxis(image.astype(np.float32), -1, 0)
    cb = 128 - 0.168736 * r - 0.331264 * g + 0.5 * b
    cr = 128 + 0.5 * r - 0.418688 * g - 0.081312 * b
    return (cb >= _CB[0]) & (cb <= _CB[1]) & (cr >= _CR[0]) & (cr <= _CR[1])


def skin_ita(image: Image, mask: Bools | None) -> float:
    """ITA in degrees of the median CIELAB colour of the skin in an image (H, W, 3) outside of its lesion.

    Skin are pixels of its chrominance outside of the grown ``mask`` (H, W). Without a mask, or where that is empty,
    those of the border; where the border shows none, those of the whole image. NaN where there is too little.
    """
    skin = skin_pixels(image)
    for where in _places(image.shape[0], mask):
        found = skin & where
        if found.mean() >= _LEAST_SKIN:
            lab = lab_from_srgb(np.asarray(image[found] / 255, np.float32))
            return float(individual_typology_angle(np.asarray(np.median(lab, axis=0))))
    return float("nan")


def _places(side: int, mask: Bools | None) -> list[Bools]:
    """Where to look for skin, the better place first."""
    if mask is not None and mask.any():
        return [~binary_dilation(mask, iterations=max(1, side // _MARGIN))]
    border, band = np.ones((side, side), bool), max(2, side // _BORDER)
    border[band:-band, band:-band] = False
    return [border, np.ones((side, side), bool)]


def with_masks(images: Iterable[Image], masks: Iterable[Bools | None] | None) -> Iterator[tuple[Image, Bools | None]]:
    """Each image with its mask, None where there are no masks; one after the other, so that they may come so."""
    return zip(images, repeat(None)) if masks is None else zip(images, masks, strict=True)


def skin_itas(images: Iterable[Image], masks: Iterable[Bools | None] | None = None) -> npt.NDArray[np.float32]:
    """ITA (N,) of the skin of images (S, S, 3), NaN where one shows too little."""
    return np.array([skin_ita(image, mask) for image, mask in with_masks(images, masks)], np.float32)


def types_from_itas(itas: npt.NDArray[np.float32]) -> Types:
    """Skin types (N,) whose bands hold the angles; ``UNMEASURED`` where there is none."""
    return np.array([UNMEASURED if np.isnan(ita) else type_from_ita(float(ita)) for ita in itas], np.int64)

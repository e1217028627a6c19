"""The skin tone that an image shows, measured where lesions seldom reach."""

import numpy as np
import numpy.typing as npt

from pipeline_steps.records.color import individual_typology_angle, lab_from_srgb


def border_lab(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Median CIELAB colour (3,) of the border of an image (H, W, 3)."""
    band = max(2, image.shape[0] // 10)
    strips = [image[:band], image[-band:], image[:, :band], image[:, -band:]]
    pixels = np.concatenate([s.reshape(-1, 3) for s in strips])
    median: npt.NDArray[np.float32] = np.median(lab_from_srgb(np.asarray(pixels / 255, np.float32)), axis=0)
    return median


def border_ita(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """ITA (N,) in degrees of the median colour of each image's border; images (N, H, W, 3)."""
    return np.array([individual_typology_angle(border_lab(image)) for image in images], np.float32)

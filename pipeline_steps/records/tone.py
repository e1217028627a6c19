"""The skin tone that an image shows, measured where lesions seldom reach."""

import numpy as np
import numpy.typing as npt

from pipeline_steps.records.color import individual_typology_angle, lab_from_srgb


def border_ita(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """ITA (N,) in degrees of the median colour of each image's border; images (N, H, W, 3)."""
    band = max(2, images.shape[1] // 10)
    out = np.empty(len(images), np.float32)
    for i, image in enumerate(images):
        strips = [image[:band], image[-band:], image[:, :band], image[:, -band:]]
        pixels = np.concatenate([s.reshape(-1, 3) for s in strips])
        lab = lab_from_srgb(np.asarray(pixels / 255, np.float32))
        out[i] = individual_typology_angle(np.median(lab, axis=0))
    return out

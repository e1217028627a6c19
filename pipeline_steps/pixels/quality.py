"""How sharp and how light an image is."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline_steps.pixels.color import lab_from_srgb
from pipeline_steps.pixels.ita import border_ita


class Quality(NamedTuple):
    """Variance of the Laplacian of L*, mean L*, and the border's ITA in degrees."""

    sharpness: float
    lightness: float
    ita: float


def image_quality(image: npt.NDArray[np.uint8]) -> Quality:
    """The quality of an image (H, W, 3)."""
    light = lab_from_srgb(np.asarray(image / 255, np.float32))[..., 0]
    laplacian = 4 * light[1:-1, 1:-1] - light[:-2, 1:-1] - light[2:, 1:-1] - light[1:-1, :-2] - light[1:-1, 2:]
    return Quality(float(laplacian.var()), float(light.mean()), float(border_ita(image[None])[0]))

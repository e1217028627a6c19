"""Generic marks for models derived from the shipped base model: such as it saw, and none of the conditions."""

import numpy as np
import numpy.typing as npt

from pipeline_steps.datasets.phantom.render import render_marks
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.stage.progress import Track


def generic_images(count: int, size: int, seed: int) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Images on all skin types in turn, (count, size, size, 3), and their captions."""
    images = np.empty((count, size, size, 3), np.uint8)
    captions = []
    for i in Track(range(count), "render", count):
        drawn = render_marks(FITZPATRICK_TYPES[i % 6], image_seed(seed, i), size)
        images[i] = drawn.image
        captions.append(drawn.caption)
    return images, captions


def image_seed(seed: int, i: int) -> int:
    """The seed of image ``i``: another of each training's seed."""
    return seed * 10_000_000 + i

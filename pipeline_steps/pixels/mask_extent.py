"""Where a mask marks something: nowhere, everywhere, along its edge, or as an outline alone."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_fill_holes

from pipeline_steps.stage.errors import BadImageError

EMPTY_MASK, FULL_MASK = "nothing is marked", "everything is marked"
AT_THE_EDGE = "most of the image's edge is marked"
INVERTED = (
    "its whole edge is marked and something within is not (inverted, or a lesion that fills the image?): "
    "save the lesion in white on black, and fill it"
)
OUTLINE = "an outline alone: fill what it encloses, and save it again"
_WHOLE_EDGE, _HALF_EDGE = 0.98, 0.5  # of the pixels along the edge


def extent_notes(levels: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """Notes on where a mask (H, W) marks what, as it is in its file: a lesion may be lost at another size, or fill it.

    Raises:
        BadImageError: it is marked all along the edge and not within, as one that is inverted; or it is an outline.
    """
    if levels.max() == 0:
        return (EMPTY_MASK,)
    if levels.min() == 255:
        return (FULL_MASK,)
    marked = levels > 127
    edge = np.concatenate([marked[0], marked[-1], marked[1:-1, 0], marked[1:-1, -1]]).mean()
    within = marked[1:-1, 1:-1].mean()
    if edge >= _WHOLE_EDGE and within < 1:
        raise BadImageError(INVERTED)
    if binary_fill_holes(marked).sum() > 2 * marked.sum():  # more is enclosed than is marked
        raise BadImageError(OUTLINE)
    return (AT_THE_EDGE,) if edge > _HALF_EDGE else ()

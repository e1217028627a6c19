"""From what annotation tools write to a mask in black and white, by the mask's own levels; what is unclear is refused.

Masks come as 0 and 255, 0 and 1, as floats, in 16 bits, in the colours of a palette (PASCAL VOC's), red on black, in
two colours of a scale (PAD-UFES-20's: yellow on violet), or as the alpha of a drawing or of a cut-out lesion.
Two levels are a mask whatever they are: the brighter one is marked. More than two are a soft edge, or a JPEG's noise,
where the brightest is at least half of what the numbers can hold, and a label map where it is not, or where a level in
the middle fills areas of its own: which of its parts is the lesion nobody can know.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from pipeline_steps.records.errors import BadImageError

LABELS = "more than two levels, none of them white (a map of labels?): save 0 and 255"
PARTS = "levels in the middle that fill areas of their own (a map of labels?): save 0 and 255"
ON_WHITE = "colours on white, of which either may be what is marked: save black and white"
NO_LEVELS = "values that are no levels (negative or not finite): save 0 and 255"

Levels = npt.NDArray[np.float64]
_BLACK = 32  # of 255: a JPEG's black
_FEW = 16  # of levels or colours: more are noise, soft edges or a photograph
_AREA = 0.05  # of what is not dark


def black_and_white(image: Image.Image) -> Image.Image:
    """A loaded mask as grey of 8 bits: 255 where it is marked, 0 where it is not, in between on a soft edge.

    Raises:
        BadImageError: nobody can know from the file what is marked.
    """
    levels, white = _deep(image) if image.mode[0] in "IF" else _shown(image)
    values = np.unique(levels)
    if not np.isfinite(values).all() or values[0] < 0:
        raise BadImageError(NO_LEVELS)
    if len(values) <= 2:
        marked = (levels == values[-1]) & (values[-1] > 0)
        return Image.fromarray(marked.astype(np.uint8) * 255)
    if values[-1] * 2 <= white:
        raise BadImageError(LABELS)
    if len(values) <= _FEW and _has_parts(levels / values[-1]):
        raise BadImageError(PARTS)
    return Image.fromarray(np.round(levels / white * 255).astype(np.uint8))


def _has_parts(shares: Levels) -> bool:
    """Whether levels (H, W), from 0 to 1, have flat areas in the middle: a soft edge is nowhere three pixels wide."""
    middle = (shares > 0.25) & (shares < 0.75)
    flat = maximum_filter(shares, 3) == minimum_filter(shares, 3)
    return bool((middle & flat).sum() > _AREA * (shares > 0.25).sum())


def _deep(image: Image.Image) -> tuple[Levels, float]:
    """Grey of more than 8 bits or floats, and its white: 1 or 255 where no value is above it, else the brightest."""
    levels = np.asarray(image, np.float64)
    top = float(levels.max())
    steps = (1.0, 255.0) if image.mode == "F" else (255.0,)
    return levels, next((white for white in steps if top <= white), top)


def _shown(image: Image.Image) -> tuple[Levels, float]:
    """Brightness of what is drawn in 8 bits: the largest of red, green and blue; or its alpha, if that is the shape."""
    rgba = np.asarray(image.convert("RGBA"))
    colours, alpha = rgba[..., :3].astype(np.float64), rgba[..., 3].astype(np.float64)
    solid = colours[alpha > 0]
    if len(solid) and alpha.min() < alpha.max() and (_is_one(solid) or _is_cut_out(solid)):
        return alpha, 255.0
    colours *= alpha[..., None] / 255  # what is transparent is not marked
    brightness = colours.max(-1)
    if (colours == brightness[..., None]).all():
        return brightness, 255.0
    if brightness.min() > _BLACK:  # two colours of a scale, such as matplotlib's; but not a shape drawn on white
        luma = colours @ [0.299, 0.587, 0.114]
        if colours[luma == luma.max()].min() >= 255 - _BLACK:
            raise BadImageError(ON_WHITE)
        return luma, 255.0
    if image.mode in {"P", "PA"}:  # parts in colours of their own, also dark ones
        return (brightness > 0) * 255.0, 255.0
    top = brightness.max()
    return (brightness * (255 / top) if top > 2 * _BLACK else brightness), 255.0  # what is drawn in colour may be dark


def _is_one(colours: Levels) -> bool:
    return bool((colours == colours[0]).all())


def _is_cut_out(colours: Levels) -> bool:
    """Whether colours (N, 3) are a photograph's, of which the lesion was left and the rest made transparent."""
    grey = (colours == colours[:, :1]).all()
    return not grey and len(np.unique(colours @ [65536, 256, 1])) > _FEW

"""From what a file stores to 8 bits a channel, by the white that the file states; never by what its pixels are.

PNG, PPM and JPEG 2000 say themselves where white is. TIFF does by ``BitsPerSample`` and ``SMaxSampleValue`` (and black
by ``SMinSampleValue``; TIFF 6.0, section 19). ``MaxSampleValue`` may not change how an image looks (section 8), and
PNG's ``sBIT`` says how many bits mean something, not where white is, so both are left alone. Floats and signed or
32-bit integers have no white of their own: without ``SMaxSampleValue`` they are quarantined. So is a file of 16 bits in
which nothing reaches a quarter of white: cameras store 10, 12 or 14 bits in 16 without a word, and then white is
elsewhere. To read such a file at its brightest value would show a dark photograph as a bright one.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline_steps.stage.errors import BadImageError

SHALLOW = "16 bits of which the upper two are unused: 14 bits or fewer that do not say so, or nearly black; save 8 bits"
UNSTATED = "values without a stated white (floats, signed or 32 bits): save 8 bits, or TIFF with SMaxSampleValue"
TOO_DEEP = "colours of 16 bits with a white of their own: save 8 bits"

_PHOTOMETRIC, _BITS, _FORMAT, _SMIN, _SMAX = 262, 258, 339, 340, 341  # TIFF's tags
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
_SCALED = {"PNG", "PPM", "JPEG2000"}  # Pillow gives their greys of more than 8 bits with white at 65535
_QUARTER = 1 << 14


def is_deep(image: Image.Image) -> bool:
    """Whether an open image, not loaded yet, has 16 bits a channel and Pillow keeps their upper 8."""
    how = str([tile[3] for tile in image.tile])  # type: ignore[attr-defined]
    return image.mode[0] not in "IF" and (";16" in how or (image.format == "PPM" and "65535" in how))


def eight_bits(image: Image.Image, deep: bool) -> Image.Image:
    """A loaded image with 8 bits a channel: 8 already, or grey of more, or ``deep``, as ``is_deep`` said before.

    Raises:
        BadImageError: nobody can know from the file where white is.
    """
    if image.mode[0] in "IF":
        return _grey(image)
    if deep:
        white = _stated(image, _SMAX, 0) if image.format == "TIFF" else 0
        if white not in {0, 65535}:
            raise BadImageError(TOO_DEEP)
        # Of inks, low values are the light ones.
        if not white and image.mode != "CMYK" and np.asarray(image.convert("RGB")).max() < _QUARTER >> 8:
            raise BadImageError(SHALLOW)
    return image


def _grey(image: Image.Image) -> Image.Image:
    """Grey of 16 or more bits, integer or float."""
    levels = np.asarray(image, np.float64)
    black, white, sure = _range(image)
    if not sure and levels.max() < _QUARTER:
        raise BadImageError(SHALLOW)
    if not (np.isfinite(levels).all() and np.isfinite([black, white]).all() and black < white):
        raise BadImageError(UNSTATED)
    shown: npt.NDArray[np.float64] = (levels.clip(black, white) - black) / (white - black)
    if image.format == "TIFF" and _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO:
        shown = 1 - shown
    return Image.fromarray(np.round(shown * 255).astype(np.uint8))


def _range(image: Image.Image) -> tuple[float, float, bool]:
    """The values of black and white, and whether the file leaves no doubt."""
    if image.format in _SCALED:
        return 0.0, 65535.0, False
    if image.format != "TIFF":
        raise BadImageError(UNSTATED)
    if _tag(image, _SMAX) is not None:
        return _stated(image, _SMIN, 0), _stated(image, _SMAX, 0), True
    bits = int(_stated(image, _BITS, 0))
    if _stated(image, _FORMAT, _UNSIGNED) != _UNSIGNED or not 8 < bits <= 16:
        raise BadImageError(UNSTATED)
    return 0.0, float((1 << bits) - 1), bits < 16


def _stated(image: Image.Image, tag: int, default: float) -> float:
    """A tag's number; of several, one a channel, the first."""
    value = _tag(image, tag)
    value = value[0] if isinstance(value, tuple) and value else value
    try:
        return default if value is None else float(str(value))
    except (TypeError, ValueError, ZeroDivisionError):
        raise BadImageError(UNSTATED) from None


def _tag(image: Image.Image, tag: int) -> object:
    found: object = image.tag_v2.get(tag)  # type: ignore[attr-defined]
    return found

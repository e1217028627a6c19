"""How a lesion mask lies on its photograph: as the photograph is stored, or as EXIF turns it; or not at all.

Some annotation tools turn a photograph by its EXIF block before a mask is drawn, others draw on the stored pixels, and
both write a mask without EXIF. Where the shapes tell which it was, the mask is brought to the upright photograph; where
they can't, or fit neither, nobody can know where the lesion is.
"""

from typing import NamedTuple

from PIL import Image

from pipeline_steps.records.errors import BadImageError

Turn = Image.Transpose | None
TURNED_ALONG = "drawn on the stored pixels: turned with its photograph"
AMBIGUOUS = (
    "EXIF turns its photograph, and the mask may have been drawn before or after: save both upright, without EXIF"
)
_SIDEWAYS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)


class Frame(NamedTuple):
    """An image as it is stored: its sides in pixels, and how its EXIF says it is to be turned (None: not)."""

    width: int
    height: int
    turn: Turn

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height once it is turned."""
        return (self.height, self.width) if self.turn in _SIDEWAYS else (self.width, self.height)


def turn_of_mask(mask: Frame, photograph: Frame) -> tuple[Turn, tuple[str, ...]]:
    """How to turn a mask so that it lies on its upright photograph, and notes on that.

    A mask may be smaller or larger than its photograph, but of the same shape to within a pixel.

    Raises:
        BadImageError: it is of another shape, or may lie on the photograph in two ways.
    """
    stored = _fits((mask.width, mask.height), (photograph.width, photograph.height))
    if mask.turn is not None or photograph.turn is None:  # by its own EXIF, or there is but one way
        if not _fits(mask.upright, photograph.upright):
            raise BadImageError(_other_shape(mask.upright, photograph.upright))
        return mask.turn, ()
    upright = _fits((mask.width, mask.height), photograph.upright)
    if stored and upright:
        raise BadImageError(AMBIGUOUS)
    if not stored and not upright:
        raise BadImageError(_other_shape(mask.upright, photograph.upright))
    return (photograph.turn, (TURNED_ALONG,)) if stored else (None, ())


def _fits(mask: tuple[int, int], photograph: tuple[int, int]) -> bool:
    """Whether two shapes (width, height) are one at some scale, but for the rounding of a side."""
    (width, height), (w, h) = mask, photograph
    return abs(width - height * w / h) <= 1 or abs(height - width * h / w) <= 1


def _other_shape(mask: tuple[int, int], photograph: tuple[int, int]) -> str:
    return f"of {mask[0]} x {mask[1]} pixels on a photograph of {photograph[0]} x {photograph[1]}: another shape"

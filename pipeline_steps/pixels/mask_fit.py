"""How a lesion mask lies on its photograph: as the photograph is stored, or as EXIF turns it; or not at all.

Some annotation tools turn a photograph by its EXIF block before a mask is drawn, others draw on the stored pixels, and
both write a mask without EXIF. Where the shapes tell which it was, the mask is brought to the upright photograph; where
they can't, or fit neither, nobody can know where the lesion is.
"""

from typing import NamedTuple

from PIL import Image

from pipeline_steps.stage.errors import BadImageError

Turn = Image.Transpose | None
OWN_TURN_LEFT = "its own EXIF turn does not fit its photograph: not turned"
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

    A mask may be smaller or larger than its photograph, but of the same shape to within the rounding of its sides. It
    is turned by its own EXIF where it then fits; where it fits unturned alone, that EXIF is its photograph's, copied.

    Raises:
        BadImageError: it is of another shape, or may lie on the photograph in two ways.
    """
    stored, upright = (mask.width, mask.height), photograph.upright
    if mask.turn is not None:
        if _fits(mask.upright, upright):
            return mask.turn, ()
        if _fits(stored, upright):
            return None, (OWN_TURN_LEFT,)
        raise BadImageError(_other_shape(mask.upright, upright))
    as_shown, as_stored = _fits(stored, upright), _fits(stored, (photograph.width, photograph.height))
    if photograph.turn is None or (as_shown and not as_stored):
        if not as_shown:
            raise BadImageError(_other_shape(stored, upright))
        return None, ()
    if as_shown and as_stored:  # nearly square, or not turned on its side: at the photograph's own size it can be told
        as_shown, as_stored = stored == upright, stored == (photograph.width, photograph.height)
        if as_shown == as_stored:
            raise BadImageError(AMBIGUOUS)
        return (None, ()) if as_shown else (photograph.turn, (TURNED_ALONG,))
    if not as_stored:
        raise BadImageError(_other_shape(stored, upright))
    return photograph.turn, (TURNED_ALONG,)


def _fits(mask: tuple[int, int], photograph: tuple[int, int]) -> bool:
    """Whether two shapes (width, height) are one at some scale, sides rounded up or down to whole pixels."""
    (width, height), (w, h) = mask, photograph
    return abs(width * h - height * w) <= max(width, height, w, h)


def _other_shape(mask: tuple[int, int], photograph: tuple[int, int]) -> str:
    return f"of {mask[0]} x {mask[1]} pixels on a photograph of {photograph[0]} x {photograph[1]}: another shape"

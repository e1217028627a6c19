"""From what annotation tools write to a mask in black and white, by the mask's own levels; what is unclear is refused.

Masks come as 0 and 255, 0 and 1, as floats, in 16 bits, in the colours of a palette (PASCAL VOC's), red on black, in
two colours of a scale (PAD-UFES-20's: yellow on violet), or as the alpha of a drawing or of a cut-out lesion.
Two levels are a mask whatever they are: the brighter one is marked. Where there are more, a mask still has two areas of
one level each, its darkest and its brightest, and what lies between them is a soft edge or a JPEG's noise. An image
with more areas is a map of labels, of which nobody can know what is the lesion; one without areas is a photograph.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from pipeline_steps.stage.errors import BadImageError

LABELS = "more than two levels, none of them bright (a map of labels?): save 0 and 255"
PARTS = "more than two areas, or two that are not black and white (a map of labels?): save 0 and 255"
PHOTOGRAPH = "no areas of one level (a photograph?): save 0 and 255"
ON_WHITE = "colours on white, of which either may be what is marked: save black and white"
NO_LEVELS = "values that are no levels (negative or not finite): save 0 and 255"

Levels = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_BLACK = 32  # of 255: a JPEG's black
_FEW = 16  # of levels or colours: more are noise, soft edges or a photograph
_AREA = 0.05  # of all but the largest area: smaller ones are noise, where there are many colours
_PART = 0.001  # the same where there are few, for no noise has areas of one colour
_FLAT = 0.5  # of a mask: its areas; photographs of PAD-UFES-20 and ISIC have 0.0 to 0.4, masks 0.98 and more
_NEAR = 8  # of 255: levels of one area in a JPEG
_OUTER = 0.25  # of the range of levels: how far the two areas may be from its ends
_VOID = 255, (224, 224, 192)  # PASCAL VOC's index and colour of what was left undecided, a ring around each object


def black_and_white(image: Image.Image) -> Image.Image:
    """A loaded mask as grey of 8 bits: 255 where it is marked, 0 where it is not, in between on a soft edge.

    Raises:
        BadImageError: nobody can know from the file what is marked.
    """
    levels, white, colours = _deep(image) if image.mode[0] in "IF" else _shown(image)
    values = np.unique(levels)
    if not np.isfinite(values).all() or values[0] < 0:
        raise BadImageError(NO_LEVELS)
    kinds = np.unique(_coded(colours)).size
    if len(values) <= 2 and kinds <= 2:
        marked = (levels == values[-1]) & (values[-1] > 0)
        return Image.fromarray(marked.astype(np.uint8) * 255)
    if values[-1] * 2 <= white:
        raise BadImageError(LABELS)
    many = kinds > _FEW
    dark, bright = _two_levels(levels, _areas(colours * (255 / white), many=many), white, many=many)
    shares = np.clip((levels - dark) / (bright - dark), 0, 1)
    return Image.fromarray(np.round(shares * 255).astype(np.uint8))


def _two_levels(levels: Levels, areas: list[Bools], white: float, *, many: bool) -> tuple[float, float]:
    """What is black and what is white: the levels of two areas, or 0 and ``white`` where one of them is too small.

    Raises:
        BadImageError: there are other areas than these; or but one, and many colours beside it, as in a photograph.
    """
    if len(areas) > 2:
        raise BadImageError(PARTS)
    found = sorted(float(np.median(levels[area])) for area in areas)
    if len(found) < 2:
        if many and areas and (~areas[0]).mean() > _AREA:
            raise BadImageError(PHOTOGRAPH)
        return 0.0, white
    low, high = float(levels.min()), float(levels.max())
    margin = _OUTER * (high - low)
    if found[0] > low + margin or found[1] < high - margin or found[0] == found[1]:
        raise BadImageError(PARTS)
    return found[0], found[1]


def _areas(colours: Levels, *, many: bool) -> list[Bools]:
    """Where each area of one colour lies, the largest first; colours (H, W, C) of 0 to 255, ``many`` or few of them.

    A soft edge is nowhere three pixels wide, so that it is no area.

    Raises:
        BadImageError: there are many colours, and areas are less than half of the image; or there are ever more areas.
    """
    spread = maximum_filter(colours, (3, 3, 1)) - minimum_filter(colours, (3, 3, 1))
    rest = (spread <= (2 if many else 0)).all(-1)
    codes, areas, noise = _coded(colours), list[Bools](), _AREA if many else _PART
    for _ in range(_FEW):
        least = noise * (rest.size - (areas[0].sum() if areas else 0))
        if rest.sum() <= least:
            found = [area for area in areas if area is areas[0] or area.sum() > least]
            if many and sum(area.mean() for area in found) < _FLAT:
                raise BadImageError(PHOTOGRAPH)
            return found
        _, where, counts = np.unique(codes[rest], return_index=True, return_counts=True)
        commonest = colours[rest][where[counts.argmax()]]
        areas.append(rest & (np.abs(colours - commonest) <= (_NEAR if many else 0)).all(-1))
        rest = rest & ~areas[-1]
    raise BadImageError(PARTS)


def _coded(colours: Levels) -> Levels:
    """One number (H, W) for each colour (H, W, C)."""
    return colours[..., 0] if colours.shape[-1] == 1 else np.round(colours) @ [65536.0, 256.0, 1.0]


def _deep(image: Image.Image) -> tuple[Levels, float, Levels]:
    """Grey of more than 8 bits or floats, and its white: 1 or 255 where no value is above it, else the brightest."""
    levels = np.asarray(image, np.float64)
    top = float(levels.max())
    steps = (1.0, 255.0) if image.mode == "F" else (255.0,)
    return levels, next((white for white in steps if top <= white), top), levels[..., None]


def _shown(image: Image.Image) -> tuple[Levels, float, Levels]:
    """Brightness of what is drawn in 8 bits (or its alpha, if that is the shape), its white, and the colours (H, W, C).

    Brightness is the largest of red, green and blue; luma between two colours of a scale.
    """
    rgba = np.asarray(image.convert("RGBA"))
    colours, alpha = rgba[..., :3].astype(np.float64), rgba[..., 3].astype(np.float64)
    solid = colours[alpha > 0]
    if len(solid) and alpha.min() < alpha.max() and (_is_one(solid) or _is_cut_out(solid)):
        return alpha, 255.0, alpha[..., None]
    colours *= alpha[..., None] / 255  # what is transparent is not marked
    if image.mode == "P":
        colours[_void(image)] = 0
    brightness = colours.max(-1)
    if (colours == brightness[..., None]).all():
        return brightness, 255.0, brightness[..., None]
    if brightness.min() > _BLACK:  # two colours of a scale, such as matplotlib's; but not a shape drawn on white
        luma = colours @ [0.299, 0.587, 0.114]
        if colours[luma == luma.max()].min() >= 255 - _BLACK:
            raise BadImageError(ON_WHITE)
        return luma, 255.0, colours
    if image.mode in {"P", "PA"}:  # a colour may be dark
        return (brightness > 0) * 255.0, 255.0, colours
    top = brightness.max()
    return (brightness * (255 / top) if top > 2 * _BLACK else brightness), 255.0, colours  # drawn in a dark colour


def _void(image: Image.Image) -> Bools:
    """Where a palette's image was left undecided around what is marked; an index alone is what is marked itself."""
    index, colour = _VOID
    alone = set(np.unique(np.asarray(image))) <= {0, index}
    if alone or tuple((image.getpalette() or [])[3 * index : 3 * index + 3]) != colour:
        return np.zeros((image.height, image.width), bool)
    return np.asarray(image) == index


def _is_one(colours: Levels) -> bool:
    return bool((colours == colours[0]).all())


def _is_cut_out(colours: Levels) -> bool:
    """Whether colours (N, 3) are a photograph's, of which the lesion was left and the rest made transparent."""
    grey = (colours == colours[:, :1]).all()
    return not grey and len(np.unique(colours @ [65536, 256, 1])) > _FEW

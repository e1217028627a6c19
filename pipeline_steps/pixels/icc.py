"""From the colours that a file says it holds to sRGB.

What a file says is, first found first believed: PNG's cICP chunk, an embedded ICC profile, PNG's sRGB, gAMA and cHRM
chunks (the order of PNG, third edition), the colour box of JPEG 2000 and AVIF, Exif's mark of Adobe RGB (DCF 2.0).
Without any of them it is sRGB.

Colours are converted by LittleCMS, relative to white and colorimetrically: what sRGB can show keeps its measured colour
(a perceptual table would move it by its maker's taste, and skin tone is measured here). Black point compensation maps
the darkest ink to black. What sRGB can't show is clipped. A profile that is sRGB in effect costs nothing: pixels stay.
"""

import io
import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base, Interop

from pipeline_steps.pixels.colour_boxes import colour_box
from pipeline_steps.pixels.matrix_profile import matrix_profile
from pipeline_steps.stage.errors import BadImageError

CONVERTED = "colours converted to sRGB"
UNUSABLE = "colour profile unusable: read as sRGB"
OTHER_SPACE = "colour profile of another colour space: ignored"
CMYK = "CMYK without a profile: converted by formula"

_D65 = (0.3127, 0.3290)
_SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
# ICC's parametricCurveType (ICC.1:2022): a power g, or g, a, b, c, d of (aX + b)^g from d on and cX below it.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_ADOBE_CURVE = (563 / 256,)
# Of cICP: code points of ITU-T H.273. Others, such as HDR's, are not read.
_PRIMARIES = {1: _SRGB, 9: _BT2020, 12: _P3}
_CURVES = {13: _SRGB_CURVE, 8: (1.0,), 4: (2.2,), 5: (2.8,)} | dict.fromkeys((1, 6, 14, 15), _BT709_CURVE)


_UNSPECIFIED = 2
_JP2_SPACES = {12, 16, 17, 18}  # inks, sRGB, grey, sYCC: ISO/IEC 15444-1 and -2
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}


@dataclass(frozen=True)
class Declared:
    """What a file says its colours are: an ICC profile, empty for sRGB; a note where what it says can't be used."""

    profile: bytes
    note: str


def declared(image: Image.Image) -> Declared:
    """Read it from an image that is open and not loaded yet.

    Raises:
        BadImageError: HDR or another encoding that sRGB can't stand in for.
    """
    if image.format == "PNG" and (chunk := _cicp(image)):
        return _by_cicp(chunk)
    if "icc_profile" in image.info:
        profile = image.info["icc_profile"]  # None: Pillow found it damaged
        return Declared(profile, "") if profile else Declared(b"", UNUSABLE)
    if image.format == "PNG":
        return _by_chunks(image)
    if image.format in {"JPEG2000", "AVIF"}:
        return _by_box(image)
    if image.format in {"JPEG", "MPO"} and _is_adobe_rgb(image):
        return Declared(matrix_profile(_ADOBE, _D65, _ADOBE_CURVE), "")
    return Declared(b"", "")


def to_srgb(image: Image.Image, colours_declared: Declared) -> tuple[Image.Image, tuple[str, ...]]:
    """A loaded image of 8 bits a channel as RGB, or RGBA where it has transparency, and notes on what was done."""
    if image.mode == "LAB":  # says by its mode what its colours are
        return image.convert("RGB"), ()
    colours, alpha = _apart(image)
    notes = [colours_declared.note] if colours_declared.note else []
    way = _way(colours_declared.profile, colours.mode) if colours_declared.profile else _Way(None, "")
    if way.transform is not None:
        colours = way.transform.apply(colours)
    elif colours.mode == "CMYK":
        notes.append(CMYK)
    notes += [way.note] if way.note else []
    rgb = _as(colours, "RGB")
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb, tuple(notes)


@dataclass(frozen=True)
class _Way:
    """How to come to sRGB: a transform, None where pixels stay as they are; and a note."""

    transform: ImageCms.ImageCmsTransform | None
    note: str


@lru_cache(maxsize=16)  # a set's photographs come from few cameras; profiles of inks take megabytes
def _way(profile: bytes, mode: str) -> _Way:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[mode]:
            return _Way(None, OTHER_SPACE)
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        before, white = _probe(mode)
        after = np.asarray(transform.apply(before))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return _Way(None, UNUSABLE)
    if after[white].min() < 245:  # its white is not white: no such profile describes a photograph
        return _Way(None, UNUSABLE)
    if mode != "CMYK" and np.abs(after.astype(int) - np.asarray(before.convert("RGB"))).max() <= 1:
        return _Way(None, "")
    return _Way(transform, CONVERTED)


def _probe(mode: str) -> tuple[Image.Image, tuple[int, int]]:
    """Greys and, in RGB, a cube of colours, to try a profile on; and where white is."""
    if mode == "CMYK":
        return Image.new("CMYK", (1, 1)), (0, 0)
    greys = np.arange(256, dtype=np.uint8)[None]
    if mode == "L":
        return Image.fromarray(greys), (0, 255)
    steps = np.array([0, 16, 32, 64, 96, 128, 160, 192, 255], np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
    return Image.fromarray(np.concatenate([np.repeat(greys[..., None], 3, 2), cube], 1)), (0, 255)


def _apart(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours (L, RGB or CMYK) and alpha, if there is one."""
    if image.mode in {"P", "PA"} or ("transparency" in image.info and image.mode in {"1", "L", "RGB"}):
        image = image.convert("RGBA")
    elif image.mode in {"RGBa", "La"}:
        image = image.convert({"RGBa": "RGBA", "La": "LA"}[image.mode])
    alpha = image.getchannel("A") if image.mode in {"RGBA", "LA"} else None
    colours = {"LA": "L", "1": "L", "L": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
    return _as(image, colours), alpha


def _as(image: Image.Image, mode: str) -> Image.Image:
    """Converted, and not copied where there is nothing to convert."""
    return image if image.mode == mode else image.convert(mode)


def _cicp(image: Image.Image) -> bytes:
    """The four bytes of PNG's cICP chunk, which Pillow passes over; empty if there is none."""
    assert image.fp is not None  # type: ignore[attr-defined]
    file = image.fp  # type: ignore[attr-defined]
    place, found = file.tell(), b""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] not in {b"IDAT", b"IEND"}:
        (length,) = struct.unpack(">I", head[:4])
        if head[4:] == b"cICP":
            found = file.read(4)
            break
        file.seek(length + 4, io.SEEK_CUR)
    file.seek(place)
    return bytes(found)


def _by_cicp(chunk: bytes) -> Declared:
    primaries, transfer, matrix, full_range = chunk.ljust(4, b"\0")
    if matrix != 0 or full_range != 1:
        return Declared(b"", UNUSABLE)
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        raise BadImageError(f"colours that are not read (cICP {primaries}, {transfer}): save it as sRGB")
    return Declared(matrix_profile(_PRIMARIES[primaries], _D65, _CURVES[transfer]), "")


def _by_box(image: Image.Image) -> Declared:
    """By the colour box: an ICC profile, code points as in cICP, or JPEG 2000's number of a colour space."""
    assert image.fp is not None  # type: ignore[attr-defined]
    box = colour_box(image.fp, str(image.format))  # type: ignore[attr-defined]
    if image.format == "AVIF":
        if box[:4] != b"nclx" or len(box) < 10:
            return Declared(b"", "")
        return _by_code_points(*struct.unpack(">HH", box[4:8]))
    if len(box) < 3:
        return Declared(b"", "")
    method, number = box[0], box[3:7]
    if method in {2, 3}:
        return Declared(box[3:], "")
    known = method == 1 and len(number) == 4 and int.from_bytes(number, "big") in _JP2_SPACES
    return Declared(b"", "" if known else UNUSABLE)


def _by_code_points(primaries: int, transfer: int) -> Declared:
    """By code points of ITU-T H.273 in AVIF, where 2 is "unspecified" and BT.709's curve is written for sRGB's.

    Raises:
        BadImageError: HDR or another encoding that sRGB can't stand in for.
    """
    space = _PRIMARIES.get(1 if primaries == _UNSPECIFIED else primaries)
    curve = _SRGB_CURVE if transfer in {1, _UNSPECIFIED} else _CURVES.get(transfer)
    if space is None or curve is None:
        raise BadImageError(f"colours that are not read (nclx {primaries}, {transfer}): save it as sRGB")
    if (space, curve) == (_SRGB, _SRGB_CURVE):
        return Declared(b"", "")
    return Declared(matrix_profile(space, _D65, curve), "")


def _by_chunks(image: Image.Image) -> Declared:
    """By PNG's sRGB, gAMA and cHRM. Writers of sRGB are told to add a gamma of 1/2.2: it means sRGB's curve."""
    if "srgb" in image.info or not {"gamma", "chromaticity"} & set(image.info):
        return Declared(b"", "")
    gamma = image.info.get("gamma", 0.45455)
    points = image.info.get("chromaticity", (*_D65, *(v for point in _SRGB for v in point)))
    white, *primaries = zip(points[::2], points[1::2], strict=True)
    if not 0.1 <= gamma <= 2:
        return Declared(b"", UNUSABLE)
    curve = _SRGB_CURVE if abs(gamma - 1 / 2.2) < 0.001 else (1 / gamma,)
    try:
        return Declared(matrix_profile(primaries, white, curve), "")
    except ValueError:
        return Declared(b"", UNUSABLE)


def _is_adobe_rgb(image: Image.Image) -> bool:
    """By Exif's colour space and interoperability index, as cameras write them that embed no profile."""
    try:
        exif = image.getexif()
        uncalibrated = exif.get_ifd(IFD.Exif).get(Base.ColorSpace) == 0xFFFF
        return uncalibrated and str(exif.get_ifd(IFD.Interop).get(Interop.InteropIndex)).startswith("R03")
    except Exception:  # noqa: BLE001 - Pillow's reader of damaged EXIF raises whatever it stumbles over
        return False

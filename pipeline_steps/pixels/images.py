"""Read photographs as they come from phones, scanners and the web; say why when one can't be read."""

import errno
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base
from PIL.PngImagePlugin import PngInfo, putchunk

from pipeline_steps.pixels.bit_depth import eight_bits, is_deep
from pipeline_steps.pixels.icc import Declared, declared, to_srgb
from pipeline_steps.pixels.mask_extent import extent_notes
from pipeline_steps.pixels.mask_fit import Frame, Turn, turn_of_mask
from pipeline_steps.pixels.mask_levels import black_and_white
from pipeline_steps.records.image_files import ImageFiles, ImageRows
from pipeline_steps.stage.errors import BadImageError

# Pillow's own limit would be reported as the user's, and in a process with threads it can't be set for one image.
Image.MAX_IMAGE_PIXELS = None

Pixels = npt.NDArray[np.uint8]
MIN_SIDE = 8
NOT_TURNED = "EXIF unreadable: not turned"
FIRST_FRAME = "several frames: the first is read"
SEVERAL_MASKS = "several frames: which of them marks the lesion? save one"
LOST_MASK = "nothing that is marked is left at this size and crop"
_PROGRAMS = {"EPS", "WMF", "EMF"}  # Pillow would have another program draw them
MACHINES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # no fault of an image: the next one fares alike
_PNG_HEADER = 33  # signature and IHDR chunk, in bytes
_RESAMPLING = Image.Resampling.BICUBIC
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Photograph(NamedTuple):
    """Pixels (S, S, 3), and notes on what was done to read them or could not be done."""

    pixels: Pixels
    notes: tuple[str, ...]


def read_image(file: Path | BinaryIO, size: int, resize: str, max_pixels: int) -> Photograph:
    """Decode ``file`` to (size, size, 3) uint8 sRGB: colours converted, EXIF turned, first frame, alpha over white.

    ``resize``: ``center_crop`` (short side to size, then crop), ``pad`` (long side to size, edges replicated) or
    ``squash``. Colours: see ``pixels.icc``; more than 8 bits a channel: see ``pixels.bit_depth``.

    Raises:
        BadImageError: not an image, truncated, empty, too small, larger than ``max_pixels``, or its white is unknown.
    """
    with _faults():
        opened = _open(file, max_pixels, colours=True)
        colours, changes = to_srgb(eight_bits(opened.image, opened.deep), opened.declared)
        upright = _turned(_on_white(colours), opened.frame.turn)
    first = (FIRST_FRAME,) if opened.frames > 1 else ()
    return Photograph(fit(upright, size, resize), changes + opened.notes + first)


def read_mask(
    path: Path, size: int, resize: str, max_pixels: int, *, photograph: Path
) -> tuple[npt.NDArray[np.bool_], tuple[str, ...]]:
    """Decode a mask to (size, size) bool, true where it is marked (see ``pixels.mask_levels``); and notes.

    Its values are labels, not colours: profiles and gamma are left alone. It lies on its ``photograph`` as
    ``pixels.mask_fit`` says.

    Raises:
        BadImageError: as ``read_image``, but for what concerns colours; what is marked is unknown; or it does not fit.
    """
    with _faults():
        opened = _open(path, max_pixels, colours=False)
        if opened.frames > 1:
            raise BadImageError(SEVERAL_MASKS)
        turn, notes = turn_of_mask(opened.frame, _frame(photograph))
        drawn = black_and_white(opened.image)
        extent = extent_notes(np.asarray(drawn))
        upright = _turned(drawn.convert("RGB"), turn)
    marked = fit(upright, size, resize)[..., 0] > 127
    lost = (LOST_MASK,) if not extent and not marked.any() else ()
    return marked, opened.notes + notes + extent + lost


@contextmanager
def _faults() -> Iterator[None]:
    """Whatever a decoder stumbles over is the image's fault: no image ends a stage."""
    try:
        yield
    except (BadImageError, MemoryError):  # that of memory is the machine's
        raise
    except UnidentifiedImageError:
        raise BadImageError("not an image") from None
    except OSError as error:  # what the storage says names the file, which the manifest does anyway
        if error.errno in MACHINES:
            raise
        raise BadImageError(f"can't be read: {error.strerror}" if error.errno else f"damaged: {error}") from None
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise nearly all there are
        raise BadImageError(f"damaged: {error}") from None


@dataclass(frozen=True)
class _Opened:
    """A loaded image, as it is stored: what its file says of colours and of depth, and how many frames it holds."""

    image: Image.Image
    declared: Declared
    deep: bool
    frame: Frame
    frames: int
    notes: tuple[str, ...]


def _open(file: Path | BinaryIO, max_pixels: int, *, colours: bool) -> _Opened:
    if isinstance(file, Path) and not file.stat().st_size:
        raise BadImageError("empty file")
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with Image.open(file) as image:
        if image.format in _PROGRAMS:
            raise BadImageError(f"{image.format}, a program that draws: save it as PNG")
        _check_size(image.size, max_pixels)
        colour_space, deep = declared(image) if colours else Declared(b"", ""), is_deep(image)
        frames = _frames(image)
        image.load()
        _check_size(image.size, max_pixels)  # some formats say another one in their head
        turn, notes = _turn(image)
        return _Opened(image, colour_space, deep, Frame(*image.size, turn), frames, notes)


def _frames(image: Image.Image) -> int:
    """How many frames there are; 1 where the list of them is damaged, for the first one alone is read.

    What a phone's MPO holds beside its photograph is a map of depth or light, or a preview.
    """
    try:
        return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001 - as above
        return 1


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise BadImageError(f"{width} x {height} pixels are more than max_pixels, {max_pixels}")
    if min(width, height) < MIN_SIDE:
        raise BadImageError(f"{width} x {height} pixels are too few")


def _frame(photograph: Path) -> Frame:
    """How a photograph is stored; its pixels are not decoded."""
    with Image.open(photograph) as image:
        frame = Frame(*image.size, _turn(image)[0])
        # Pillow turns a TIFF itself when it loads it, and says beforehand the size that it will have.
        return Frame(*frame.upright, frame.turn) if image.format == "TIFF" else frame


def _turned(image: Image.Image, turn: Turn) -> Image.Image:
    return image if turn is None else image.transpose(turn)


def _turn(image: Image.Image) -> tuple[Turn, tuple[str, ...]]:
    """How EXIF says the image is to be turned; the rest of EXIF may be damaged, for nothing else of it is read.

    (Pillow's ``ImageOps.exif_transpose`` also writes EXIF anew, and so fails where any other tag is damaged.)
    """
    try:
        orientation = image.getexif().get(Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - Pillow's reader of damaged EXIF raises whatever it stumbles over
        return None, (NOT_TURNED,)
    if orientation not in range(1, 9):
        return None, (NOT_TURNED,)
    return _TURNS.get(orientation), ()


def _on_white(image: Image.Image) -> Image.Image:
    """RGB, what is transparent over white."""
    if image.mode in {"P", "PA", "LA", "RGBA", "RGBa", "La"} or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")


def fit(image: Image.Image, size: int, resize: str) -> Pixels:
    """Bring an RGB image to (size, size, 3) uint8 by the named rule."""
    if resize == "squash":
        return np.asarray(image.resize((size, size), _RESAMPLING))
    if resize == "center_crop":
        return np.asarray(ImageOps.fit(image, (size, size), _RESAMPLING))
    if resize == "pad":
        small = np.asarray(ImageOps.contain(image, (size, size), _RESAMPLING))
        rest = (size - small.shape[0], size - small.shape[1])
        margins = [(r // 2, r - r // 2) for r in rest]
        return np.pad(small, [*margins, (0, 0)], mode="edge")
    raise ValueError(f"resize {resize!r} is none of center_crop, pad, squash")


def png_bytes(pixels: Pixels) -> bytes:
    """Encode (H, W, 3) or, grey, (H, W) uint8 as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def mask_png(mask: npt.NDArray[np.bool_]) -> bytes:
    """Encode a mask (H, W) as grey PNG: 255 within, 0 outside."""
    return png_bytes(mask.astype(np.uint8) * 255)


def with_text(png: bytes, text: Mapping[str, str]) -> bytes:
    """The same PNG with ``text`` as its metadata (iTXt chunks after the header); its pixels are not encoded again."""
    info, chunks = PngInfo(), io.BytesIO()
    for key, value in text.items():
        info.add_itxt(key, value)
    for name, body, *_ in info.chunks:
        putchunk(chunks, name, body)
    return png[:_PNG_HEADER] + chunks.getvalue() + png[_PNG_HEADER:]


def digest(pixels: npt.NDArray[np.generic]) -> str:
    """SHA-256 of an array's shape, type and bytes."""
    head = f"{pixels.shape}{pixels.dtype}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def digests_of(images: ImageRows) -> Sequence[str]:
    """The digest of each image; what lies in files is not opened."""
    if isinstance(images, ImageFiles):
        return images.digests
    return [digest(images[i]) for i in range(len(images))]

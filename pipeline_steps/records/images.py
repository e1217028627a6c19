"""Read photographs as they come from phones, scanners and the web; say why when one can't be read."""

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

Pixels = npt.NDArray[np.uint8]
MIN_SIDE = 8
_PNG_HEADER = 33  # signature and IHDR chunk, in bytes
_RESAMPLING = Image.Resampling.BICUBIC


class BadImageError(ValueError):
    """An image that must be quarantined; the message is the reason, as the manifest records it."""


def read_image(path: Path, size: int, resize: str, max_pixels: int) -> Pixels:
    """Decode ``path`` to (size, size, 3) uint8 sRGB: EXIF turned, first frame, alpha over white.

    ``resize``: ``center_crop`` (short side to size, then crop), ``pad`` (long side to size, edges
    replicated) or ``squash``. 16-bit images are scaled by their own bit depth.

    Raises:
        BadImageError: not an image, truncated, empty, too small or larger than ``max_pixels``.
    """
    image = _open(path, max_pixels)
    return fit(image, size, resize)


def read_mask(path: Path, size: int, resize: str, max_pixels: int) -> npt.NDArray[np.bool_]:
    """Decode a mask to (size, size) bool: true where luma is above 127.

    Raises:
        BadImageError: as ``read_image``.
    """
    return fit(_open(path, max_pixels), size, resize).astype(np.float32) @ np.array([0.299, 0.587, 0.114]) > 127


def _open(path: Path, max_pixels: int) -> Image.Image:
    if not path.stat().st_size:
        raise BadImageError("empty file")
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                if width * height > max_pixels:
                    raise BadImageError(f"{width} x {height} pixels exceed the limit of {max_pixels}")
                if min(width, height) < MIN_SIDE:
                    raise BadImageError(f"{width} x {height} pixels are too few")
                image.load()
                turned = ImageOps.exif_transpose(image)
    except BadImageError:
        raise
    except UnidentifiedImageError:
        raise BadImageError("not an image") from None
    except Image.DecompressionBombError:
        raise BadImageError(f"pixels exceed the limit of {max_pixels}") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadImageError(f"damaged: {error}") from None
    return _to_rgb(turned)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        levels = np.asarray(image, np.float64)
        top = 65535.0 if levels.max() > 255 else 255.0
        image = Image.fromarray(np.round(levels.clip(0, top) / top * 255).astype(np.uint8))
    if image.mode in {"P", "PA", "LA", "RGBA", "RGBa", "La"} or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


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
    chunks = []
    for key, value in text.items():
        body = b"iTXt" + key.encode("latin-1") + b"\0\0\0\0\0" + value.encode()
        chunks.append(struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
    return png[:_PNG_HEADER] + b"".join(chunks) + png[_PNG_HEADER:]


def digest(pixels: npt.NDArray[np.generic]) -> str:
    """SHA-256 of an array's shape, type and bytes."""
    head = f"{pixels.shape}{pixels.dtype}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()

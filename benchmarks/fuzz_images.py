"""Photographs and masks as no test lists them: formats, modes, EXIF, profiles, text; cut short, flipped, spliced."""

import io
import random
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from pipeline_steps.pixels.images import read_image, read_mask
from pipeline_steps.stage.errors import BadImageError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF", "ICO", "PPM", "TGA", "MPO")
MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "I", "F", "LAB", "HSV")
LIMIT = 100_000  # pixels


def run(count: int, seed: int) -> dict[str, Any]:
    """Read ``count`` damaged or unusual files, each as a photograph and as a mask on a good photograph.

    Returns ``tried``, ``read``, ``quarantined`` (by the first words of the reason), ``tracebacks`` (by exception).
    """
    rng = random.Random(seed)
    found: dict[str, Any] = {"tried": 0, "read": 0, "quarantined": Counter[str](), "tracebacks": Counter[str]()}
    with TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what it mends
        good, file = Path(name) / "good.png", Path(name) / "file"
        Image.new("RGB", (32, 24), "white").save(good)
        for _ in range(count):
            file.write_bytes(_damaged(_written(rng), rng))
            _tally(found, lambda: read_image(file, 16, rng.choice(["squash", "pad", "center_crop"]), LIMIT))
            _tally(found, lambda: read_mask(file, 16, "squash", LIMIT, photograph=good))
            _tally(found, lambda: read_mask(good, 16, "squash", LIMIT, photograph=file))
    return found


def _tally(found: dict[str, Any], read: Callable[[], object]) -> None:
    found["tried"] += 1
    try:
        read()
        found["read"] += 1
    except BadImageError as error:
        found["quarantined"][" ".join(str(error).split()[:2])] += 1
    except Exception as error:  # noqa: BLE001 - what is looked for
        found["tracebacks"][f"{type(error).__name__}: {traceback.extract_tb(error.__traceback__)[-1].name}"] += 1


def _written(rng: random.Random) -> bytes:
    """A file of a random format, mode and size, with whatever its format can carry."""
    width, height = rng.choice([(32, 24), (24, 32), (16, 16), (9, 200), (1, 1), (7, 9)])
    levels = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image, kind = Image.fromarray(levels), rng.choice(FORMATS)
    for mode in rng.sample(MODES, 3):
        buffer = io.BytesIO()
        try:
            _converted(image, mode, levels).save(buffer, kind, **_carried(kind, rng))
        except Exception:  # noqa: BLE001, S112
            continue  # a format that can't hold this mode
        return buffer.getvalue()
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _converted(image: Image.Image, mode: str, levels: Any) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(levels[..., 0].astype(np.uint16) * 200)
    if mode == "F":
        return Image.fromarray(levels[..., 0].astype(np.float32) / 255)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="LAB") or image
    return image.convert(mode)


def _carried(kind: str, rng: random.Random) -> dict[str, Any]:
    """Options of Pillow's ``save``: EXIF, a profile, text, several frames."""
    exif = Image.Exif()
    for tag in rng.sample([0x112, 0x8769, 0x8825, 0x927C, 0x9286, 0xA005, 0x10F], 3):
        exif[tag] = rng.choice([1, 6, 9, 0, "text", b"\xff" * 9])
    options: dict[str, Any] = {}
    try:
        options["exif"] = exif.tobytes()
    except Exception:  # noqa: BLE001 - what Pillow can't write is left out
        options["exif"] = b"Exif\0\0II*\0\x08\0\0\0\xff\xff"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(rng.choice(["sRGB", "XYZ", "LAB"]))).tobytes()
    options["icc_profile"] = bytes(_flipped(bytearray(profile), rng)) if rng.random() < 0.5 else profile
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("Comment", "\u00e9" * rng.randrange(50), zip=rng.random() < 0.5)
        text.add(b"gAMA", rng.randbytes(rng.choice([0, 3, 4])))
        options["pnginfo"] = text
    if kind in {"TIFF", "GIF", "WEBP", "MPO", "PNG"} and rng.random() < 0.3:
        options |= {"save_all": True, "append_images": [Image.new("RGB", (20, 20), "red")]}
    return {key: value for key, value in options.items() if rng.random() < 0.7}


def _damaged(content: bytes, rng: random.Random) -> bytes:
    """The file as it is, cut short, with flipped bytes, spliced with another, empty, or no image at all."""
    file = bytearray(content)
    way = rng.choice(["whole", "cut", "flip", "flip", "flip head", "splice", "double", "nothing", "noise"])
    if way == "cut":
        return bytes(file[: rng.randrange(len(file))])
    if way == "flip":
        return bytes(_flipped(file, rng))
    if way == "flip head":
        return bytes(_flipped(file[:200], rng) + file[200:])
    if way == "splice":
        at = rng.randrange(len(file))
        return bytes(file[:at] + _written(rng)[at:])
    if way == "double":
        return bytes(file + file[: len(file) // 2])
    return {"whole": content, "nothing": b"", "noise": rng.randbytes(rng.randrange(400))}[way]


def _flipped(file: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.randrange(1, 12)):
        if file:
            file[rng.randrange(len(file))] = rng.getrandbits(8)
    return file

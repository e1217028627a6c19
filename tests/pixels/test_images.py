"""Files of all kinds as RGB, upright, at one size; one that can't be used says why."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline_steps.datasets.table import Decoding
from pipeline_steps.pixels.images import read_image
from pipeline_steps.stage.errors import BadImageError

D = Decoding(16, "center_crop", 1_000_000)


def _photo(path, image, **options):
    image.save(path, **options)
    return path


def _gradient(mode="RGB", size=(32, 24)):
    x = np.linspace(0, 255, size[0])[None, :, None] * np.ones((size[1], 1, 3))
    return Image.fromarray(x.astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((16, 16, 3), np.uint8)
    upright[:8, :8] = 255  # the white quarter is top left when upright
    stored = Image.fromarray(upright)
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels, _ = read_image(_photo(tmp_path / "a.png", stored, exif=exif), 16, "squash", 10_000)
    assert pixels[:6, :6].min() > 200
    assert pixels[10:, 10:].max() < 50


@pytest.mark.parametrize(
    ("mode", "suffix"), [("CMYK", "jpg"), ("L", "png"), ("P", "gif"), ("RGBA", "png"), ("LA", "png")]
)
def test_odd_modes_become_rgb(tmp_path, mode, suffix):
    pixels, _ = read_image(_photo(tmp_path / f"a.{suffix}", _gradient(mode)), 16, "center_crop", 10_000)
    assert pixels.shape == (16, 16, 3)
    assert pixels.dtype == np.uint8
    assert pixels[:, -1].mean() > pixels[:, 0].mean()


def test_sixteen_bits_keep_their_range(tmp_path):
    levels = (np.linspace(0, 65535, 16)[None] * np.ones((16, 1))).astype(np.uint16)
    pixels, _ = read_image(_photo(tmp_path / "a.png", Image.fromarray(levels)), 16, "squash", 10_000)
    assert pixels[0, 0, 0] < 5
    assert pixels[0, -1, 0] > 250
    assert 110 < pixels[0, 8, 0] < 150


def test_transparency_lies_on_white_and_animations_give_their_first_frame(tmp_path):
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert read_image(_photo(tmp_path / "a.png", clear), 16, "squash", 10_000).pixels.min() == 255
    frames = [Image.new("RGB", (16, 16), c) for c in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (read_image(tmp_path / "a.gif", 16, "squash", 10_000).pixels[0, 0] == [255, 0, 0]).all()


def test_wrong_extension_is_no_obstacle(tmp_path):
    _gradient().save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg", 16, "pad", 10_000).pixels.shape == (16, 16, 3)


def _truncated(path):
    buffer = io.BytesIO()
    _gradient(size=(200, 200)).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_truncated, "damaged"),
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.write_bytes(b"<html>404</html>"), "not an image"),
        (lambda p: Image.new("RGB", (1, 1)).save(p, "PNG"), "too few"),
        (lambda p: Image.new("1", (30_000, 30_000)).save(p, "PNG"), "more than max_pixels"),
    ],
    ids=["truncated", "empty", "text", "1x1", "bomb"],
)
def test_unusable_images_say_why(tmp_path, make, reason):
    make(tmp_path / "a.jpg")
    with pytest.raises(BadImageError, match=reason):
        read_image(tmp_path / "a.jpg", 16, "squash", 100_000_000)

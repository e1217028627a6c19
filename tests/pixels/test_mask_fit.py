"""A mask lies on its photograph as that is stored or as it is upright, or is refused."""

import numpy as np
import pytest
from photographs import encoded, ingested
from PIL import Image

TALL, WIDE = (24, 16), (16, 24)  # shapes of arrays


def _drawn(shape, value=255):
    """A mask that marks the upper left corner of what it is drawn on."""
    mask = np.zeros(shape, np.uint8)
    mask[: shape[0] // 2, : shape[1] // 2] = value
    return mask


def _turned_photograph(shape, orientation, kind="JPEG"):
    """A file of pixels of ``shape``, which EXIF turns; bright where ``_drawn`` marks its stored pixels."""
    tags = {"tiffinfo": {0x112: orientation}} if kind == "TIFF" else {"exif": _oriented(orientation)}
    return encoded(np.repeat(_drawn(shape)[..., None], 3, 2), kind, **tags)


def _oriented(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return exif


def _overlap(read, manifest, name="a"):
    """Dice of the mask and of what is bright in the photograph."""
    bright, mask = read[name][..., 0] > 127, manifest["mask"][name]
    return 2 * (bright & mask).sum() / (bright.sum() + mask.sum())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_drawn_on_the_stored_pixels_is_turned_with_its_photograph(tmp_path, kind, orientation):
    files = {"a": _turned_photograph(WIDE, orientation, kind)}
    read, manifest, report = ingested(tmp_path, files, {"a": encoded(_drawn(WIDE))})
    assert _overlap(read, manifest) > 0.95
    assert report["notes"] == {"mask: drawn on the stored pixels: turned with its photograph": 1}


def test_a_mask_drawn_on_the_upright_photograph_stays(tmp_path):
    turned = np.rot90(_drawn(WIDE), -1)  # what orientation 6 makes of it
    assert turned.shape == TALL
    read, manifest, report = ingested(tmp_path, {"a": _turned_photograph(WIDE, 6)}, {"a": encoded(turned.copy())})
    assert _overlap(read, manifest) > 0.95
    assert report["notes"] == {}


def test_a_mask_with_exif_of_its_own_is_turned_by_that(tmp_path):
    masks = {"a": encoded(_drawn((16, 16)), "PNG", exif=_oriented(6))}
    read, manifest, _ = ingested(tmp_path, {"a": _turned_photograph((16, 16), 6)}, masks)
    assert _overlap(read, manifest) > 0.95


@pytest.mark.parametrize(("shape", "orientation"), [((16, 16), 6), (WIDE, 3), (WIDE, 2), (WIDE, 4)])
def test_a_mask_that_may_lie_in_two_ways_is_refused(tmp_path, shape, orientation):
    files = {"a": _turned_photograph(shape, orientation)}
    _, manifest, _ = ingested(tmp_path, files, {"a": encoded(_drawn(shape))})
    assert manifest.loc["a", "image_status"] == "quarantined"
    assert "before or after" in manifest.loc["a", "reason"]


@pytest.mark.parametrize("shape", [(16, 16), TALL, (16, 20), (8, 14)])
def test_a_mask_of_another_shape_is_refused(tmp_path, shape):
    photograph = encoded(np.repeat(_drawn(WIDE)[..., None], 3, 2))
    _, manifest, _ = ingested(tmp_path, {"a": photograph}, {"a": encoded(_drawn(shape))})
    assert manifest.loc["a", "image_status"] == "quarantined"
    assert manifest.loc["a", "reason"].endswith("on a photograph of 24 x 16: another shape")


def test_a_mask_may_be_smaller_than_its_photograph_but_for_rounding(tmp_path):
    photograph = encoded(np.repeat(_drawn((40, 61))[..., None], 3, 2))
    read, manifest, _ = ingested(tmp_path, {"a": photograph}, {"a": encoded(_drawn((20, 30)))})
    assert _overlap(read, manifest) > 0.9


def test_a_mask_of_several_frames_is_refused_and_of_photographs_the_first_is_read(tmp_path):
    frames = [Image.fromarray(_drawn(WIDE)), Image.fromarray(255 - _drawn(WIDE))]
    several = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    files = {"a": several, "b": several}
    _, manifest, report = ingested(tmp_path, files, {"a": several, "b": encoded(_drawn(WIDE))})
    assert "several frames" in manifest.loc["a", "reason"]
    assert manifest.loc["b", "image_status"] == "present"
    assert report["notes"] == {"several frames: the first is read": 1}


def test_what_is_marked_may_be_lost_at_a_small_size_and_is_counted(tmp_path):
    speck = np.zeros((200, 200), np.uint8)
    speck[0, 0] = 255
    photograph = encoded(np.full((200, 200, 3), 90, np.uint8))
    files, masks = {"a": photograph}, {"a": encoded(speck)}
    (tmp_path / "x").mkdir()
    _, manifest, report = ingested(tmp_path / "x", files, masks)
    assert manifest.loc["a", "reason"].startswith("200 x 200 pixels are more than max_pixels")
    small = {"a": encoded(speck[:99, :99])}
    _, _, report = ingested(tmp_path, {"a": encoded(np.full((99, 99, 3), 90, np.uint8))}, small)
    assert report["notes"] == {"mask: nothing that is marked is left at this size and crop": 1}
    assert report["notes_by_skin_type"] == {"mask: nothing that is marked is left at this size and crop": {"1": 1}}

"""What a mask marks is read from its own levels; one that may mean anything is refused."""

import io
import struct

import icc_profiles as icc
import numpy as np
import pytest
from photographs import LINEAR, SIDE, encoded, ingested, patches, source_of, with_chunks
from PIL import Image

from pipeline_steps.pixels import images
from pipeline_steps.stage.errors import BadImageError, DataError


def test_masks_hold_labels_and_no_colours(tmp_path):
    """By a linear profile or gamma, 100 would be a bright grey."""
    photo, drawn = encoded(patches()), np.full((SIDE, SIDE), 100, np.uint8)
    drawn[4:8] = 200
    masks = {
        "a.png": encoded(drawn, icc_profile=icc.grey(icc.power(1))),
        "b.png": with_chunks(encoded(drawn), gAMA=struct.pack(">I", 100_000)),
        "c.png": encoded(Image.fromarray(drawn).convert("RGB"), icc_profile=LINEAR),
        "d.png": with_chunks(encoded(drawn), cICP=bytes([9, 16, 0, 1])),
    }
    _, manifest, report = ingested(tmp_path, dict.fromkeys(masks, photo), masks)
    assert report["images"]["present"] == 4
    assert [name for name, mask in manifest["mask"].items() if not np.array_equal(mask, drawn > 127)] == []


SQUARE = np.zeros((SIDE, SIDE), bool)
SQUARE[4:12, 4:12] = True


def _in_palette(*colours):
    image = Image.fromarray(SQUARE.astype(np.uint8) * (len(colours) - 1))
    if len(colours) > 2:
        image.putpixel((5, 5), 1)
    image.putpalette([v for colour in colours for v in colour])
    return image


MASKS = {
    "255": lambda: SQUARE.astype(np.uint8) * 255,
    "labels of 1": lambda: SQUARE.astype(np.uint8),
    "one bit": lambda: Image.fromarray(SQUARE),
    "16 bits, 1": lambda: SQUARE.astype(np.uint16),
    "12 bits in 16": lambda: SQUARE.astype(np.uint16) * 4095,
    "floats of 1": lambda: SQUARE.astype(np.float32),
    "floats with soft edges": lambda: np.where(SQUARE, np.linspace(0.8, 1, SIDE, dtype=np.float32), 0).astype("f4"),
    "a palette, dark red": lambda: _in_palette((0, 0, 0), (128, 0, 0)),
    "a palette of parts": lambda: _in_palette((0, 0, 0), (0, 64, 0), (128, 0, 0)),
    "red on black": lambda: SQUARE[..., None] * np.array([255, 0, 0], np.uint8),
    "yellow on violet": lambda: np.where(SQUARE[..., None], [253, 231, 36, 255], [68, 1, 84, 255]).astype(np.uint8),
    "black on nothing": lambda: np.dstack([np.zeros((SIDE, SIDE, 3), np.uint8), SQUARE.astype(np.uint8) * 255]),
    "white, else nothing": lambda: np.dstack([np.full((SIDE, SIDE, 3), 255, np.uint8), SQUARE.astype(np.uint8) * 255]),
    "white and black, some of it nothing": lambda: np.dstack(
        [
            np.repeat(SQUARE[..., None] * np.uint8(255), 3, 2),
            np.tri(SIDE, k=SIDE // 2, dtype=np.uint8) * 255 | SQUARE * 255,
        ]
    ).astype(np.uint8),
}


@pytest.mark.parametrize("way", MASKS)
def test_a_mask_is_read_by_its_own_levels(tmp_path, way):
    """255 was taken for white whatever a file held: most of these were empty."""
    image = MASKS[way]()
    kind = "TIFF" if "floats" in way else "PNG"
    _, manifest, report = ingested(tmp_path, {"a": encoded(patches())}, {"a": encoded(image, kind)})
    assert report["images"]["present"] == 1
    assert np.array_equal(manifest["mask"]["a"], SQUARE)


def _ring(inner, outer, width=2):
    """A square of one value with a ring of another around it, on nothing; 64 pixels."""
    image = np.zeros((64, 64), np.uint8)
    image[16 - width : 48 + width, 16 - width : 48 + width], image[16:48, 16:48] = outer, inner
    return image


def _as_jpeg(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=75)
    return np.asarray(Image.open(buffer))


def _folder(place, name):
    (place / name).mkdir()
    return place / name


def _disc(x, y, radius):
    """Where a disc lies on 64 pixels a side."""
    rows, columns = np.mgrid[:64, :64]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def _photo():
    """Skin with a lesion and a sensor's noise; as another file, and in grey, it is no mask, either."""
    noise = np.random.default_rng(0).normal(0, 4, (64, 64, 3))
    return np.clip(np.where(_ring(1, 0)[..., None], [120, 60, 50], [210, 170, 150]) + noise, 0, 255).astype(np.uint8)


def _palette(image, colours):
    image = Image.fromarray(image)
    palette = np.zeros((256, 3), np.uint8)
    for index, colour in colours.items():
        palette[index] = colour
    image.putpalette(palette.ravel().tolist())
    return image


def test_what_voc_left_undecided_around_a_lesion_is_not_marked(tmp_path):
    mask = _palette(_ring(1, 255), {1: (128, 0, 0), 255: (224, 224, 192)})
    _, manifest, _ = ingested(tmp_path, {"a": encoded(_photo())}, {"a": encoded(mask)})
    assert np.array_equal(
        manifest["mask"]["a"],
        images.fit(Image.fromarray(_ring(255, 0)).convert("RGB"), SIDE, "center_crop")[..., 0] > 127,
    )


def test_a_mask_in_greys_of_a_scale_is_read_between_its_own_two_levels(tmp_path):
    """130 and 220 of red, green and blue, with a JPEG's noise: against white, all of it was marked."""
    drawn = _as_jpeg(np.where(_ring(1, 0)[..., None], np.uint8([220, 230, 120]), np.uint8([150, 130, 160])))
    _, manifest, _ = ingested(tmp_path, {"a": encoded(_photo())}, {"a": encoded(drawn)})
    assert 0.2 < manifest["mask"]["a"].mean() < 0.3


def test_what_vocs_palette_calls_undecided_alone_is_the_lesion(tmp_path):
    mask = _palette(_ring(255, 0), {255: (224, 224, 192)})
    _, manifest, _ = ingested(tmp_path, {"a": encoded(_photo())}, {"a": encoded(mask)})
    assert 0.2 < manifest["mask"]["a"].mean() < 0.3


def test_inverted_masks_that_touch_the_edge_are_known_by_the_others(tmp_path):
    """One file cannot tell: a disc at the edge, inverted, is marked along most of the edge, as a large lesion is."""
    at_the_edge = 255 - np.where(_disc(0, 32, 16), 255, 0).astype(np.uint8)
    photographs = {name: encoded(_photo()) for name in "abcd"}
    _, _, report = ingested(_folder(tmp_path, "one"), {"a": photographs["a"]}, {"a": encoded(at_the_edge)})
    assert report["notes"] == {"mask: most of the image's edge is marked": 1}
    masks = {name: encoded(255 - _ring(255, 0)) for name in "abc"} | {"d": encoded(at_the_edge)}
    with pytest.raises(DataError, match=r"3 of 4 masks .* inverted, all of them; save"):
        ingested(_folder(tmp_path, "all"), photographs, masks)


UNCLEAR = {
    "a ring of void around labels of 1": _ring(1, 255),
    "a wide ring of void around labels of 1": _ring(1, 255, 8),
    "labels of 0, 100 and 200 with a JPEG's noise": _as_jpeg(_ring(100, 200, 12)),
    "parts in colours of one brightness": np.dstack([_ring(255, 0), _ring(0, 255, 12), _ring(0, 0)]),
    "parts in a palette": _palette(_ring(1, 2, 12), {1: (128, 0, 0), 2: (0, 128, 0)}),
    "a photograph": _photo(),
    "a photograph in grey": _photo()[..., 1],
    "a photograph with a JPEG's noise": _as_jpeg(_photo()),
    "a small part beside a large one": np.where(_disc(10, 10, 4), 127, np.where(np.arange(64) < 32, 0, 255)),
    "an outline": np.where(_disc(32, 32, 16) & ~_disc(32, 32, 14), 255, 0),
    "a cut-out on black": np.where(_disc(32, 32, 16)[..., None], _photo(), 0),
    "dermoscopy": np.where(_disc(32, 32, 28)[..., None], _photo(), 5),
    "inverted": 255 - _ring(255, 0),
    "inverted with a JPEG's noise": _as_jpeg(255 - _ring(255, 0)),
    "labels of 1 to 3": np.resize(np.arange(4, dtype=np.uint8), (SIDE, SIDE)),
    "negative": np.where(SQUARE, 1, -1).astype(np.float32),
    "not a number": np.where(SQUARE, np.nan, 0).astype(np.float32),
    "labels with white": np.repeat(np.repeat(np.uint8([[0, 0, 128, 128], [255, 255, 0, 0]]), 8, 0), 4, 1),
    "red on white": np.where(SQUARE[..., None], np.array([255, 0, 0]), 255).astype(np.uint8),
}


@pytest.mark.parametrize("what", UNCLEAR)
def test_a_mask_that_may_mean_anything_is_refused(tmp_path, what):
    image = UNCLEAR[what]
    kind = "TIFF" if getattr(image, "dtype", None) == np.float32 else "PNG"
    image = image.astype(np.uint8) if getattr(image, "dtype", None) == np.int64 else image
    _, manifest, _ = ingested(tmp_path, {"a": encoded(patches())}, {"a": encoded(image, kind)})
    assert manifest.loc["a", "image_status"] == "quarantined"
    assert manifest.loc["a", "reason"].startswith("mask: ")
    assert "save" in manifest.loc["a", "reason"]


def test_masks_that_mark_nothing_or_everything_are_counted(tmp_path):
    masks = {
        "a": encoded(SQUARE * np.uint8(0)),
        "b": encoded(np.full((SIDE, SIDE), 255, np.uint8)),
        "c": encoded(SQUARE),
    }
    _, _, report = ingested(tmp_path, dict.fromkeys(masks, encoded(patches())), masks)
    assert report["notes"] == {"mask: everything is marked": 1, "mask: nothing is marked": 1}


def test_an_image_with_a_damaged_mask_says_that_it_is_the_mask(tmp_path):
    _, manifest, _ = ingested(tmp_path, {"a.png": encoded(patches())}, {"a.png": b"no"})
    assert manifest.loc["a.png", "reason"] == "mask: not an image"


def test_a_photograph_is_no_mask_of_itself(tmp_path):
    source = source_of(tmp_path, {"a": encoded(patches())}, mask="{file}", masked="images")
    with pytest.raises(BadImageError, match="mask: the photograph itself"):
        source.load(0)

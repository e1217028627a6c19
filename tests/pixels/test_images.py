"""Photographs become sRGB of 8 bits by what their files say, or are quarantined, or counted; none ends a stage."""

import io
import json
import struct
import zlib
from dataclasses import replace

import icc_profiles as icc
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms

from pipeline_steps.datasets.table import Decoding, Mapped, read_mapped
from pipeline_steps.ingest import ingest
from pipeline_steps.items.replies import Replies, ReplyKey
from pipeline_steps.pixels import images
from pipeline_steps.pixels.color import individual_typology_angle, lab_from_srgb
from pipeline_steps.remote import edit
from pipeline_steps.stage.errors import BadImageError, DataError

SIDE = 16
CONVERTED, UNUSABLE = "colours converted to sRGB", "colour profile unusable: read as sRGB"
PRIMARIES = {  # chromaticities of red, green and blue; white is D65
    "srgb": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    "display_p3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    "adobe_rgb": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)),
}
P3 = icc.matrix("display_p3", icc.srgb_table())
ADOBE = icc.matrix("adobe_rgb", icc.power(563 / 256))
LINEAR = icc.matrix("srgb", icc.power(1))


def _source(folder, files, masks=None, mask="", masked="masks"):
    """A set of files given as bytes, with a table of their names."""
    for place, named in (("images", files), ("masks", masks or {})):
        (folder / place).mkdir()
        for name, content in named.items():
            (folder / place / name).write_bytes(content)
    (folder / "t.csv").write_text("file,label,type\n" + "".join(f"{name},x,1\n" for name in files))
    mapped = Mapped(
        csv=folder / "t.csv", images=folder / "images", masks=folder / masked, file="{file}",
        mask=mask or ("{file}" if masks else ""), image_id="file", condition="label", skin_type="type", patient_id="",
        lesion_id="", attributes=(),
    )  # fmt: skip
    return read_mapped(mapped, Decoding(SIDE, "squash", 10_000))


def _ingested(folder, files, masks=None):
    """Pixels by name (None: quarantined), the manifest by name, and the report, of files given as bytes."""
    source, out = _source(folder, files, masks), folder / "out"
    out.mkdir()
    report = ingest(source, SIDE, out)
    manifest = pd.read_parquet(out / "manifest.parquet").set_index("file")
    pixels, drawn = np.load(out / "pixels.npy"), np.load(out / "masks.npy")
    read = {name: pixels[row] if row >= 0 else None for name, row in manifest["row"].items()}
    return read, manifest.assign(mask=[drawn[row] if row >= 0 else None for row in manifest["row"]]), report


def _file(image, kind="PNG", **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def _patches():
    """Sixteen colours, skin of all types among them, in squares of 4 x 4 pixels: (16, 16, 3) uint8."""
    skin = [
        (244, 208, 177),
        (231, 180, 143),
        (210, 158, 124),
        (186, 120, 81),
        (150, 90, 62),
        (94, 60, 50),
        (60, 40, 35),
    ]
    other = np.random.default_rng(0).integers(40, 216, (9, 3))
    return np.kron(np.array([*skin, *other], np.uint8).reshape(4, 4, 3), np.ones((4, 4, 1), np.uint8))


def _xyz(space):
    """Linear RGB to XYZ relative to D65, from chromaticities (SMPTE RP 177)."""
    (x, y), white = np.array(PRIMARIES[space]).T, np.array([0.3127 / 0.3290, 1, 0.3583 / 0.3290])
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    return columns * np.linalg.solve(columns, white)


def _srgb(linear):
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _meant(stored, space, decode):
    """sRGB values, 0 to 255, of what is stored in another space."""
    return _srgb(decode(stored / 255) @ (np.linalg.inv(_xyz("srgb")) @ _xyz(space)).T)


SPACES = {
    "display_p3": (P3, "display_p3", icc.srgb_decoded),
    "adobe_rgb": (ADOBE, "adobe_rgb", lambda v: v ** (563 / 256)),
    "linear": (LINEAR, "srgb", lambda v: v),
}


@pytest.mark.parametrize("name", SPACES)
def test_colours_are_those_that_the_profile_means(tmp_path, name):
    profile, space, decode = SPACES[name]
    stored = _patches()
    files = {
        "a.png": _file(stored, icc_profile=profile),
        "b.tif": _file(stored, "TIFF", icc_profile=profile),
        "c.webp": _file(stored, "WEBP", lossless=True, icc_profile=profile),
        "d.jpg": _file(stored, "JPEG", quality=100, subsampling=0, icc_profile=profile),
    }
    read, _, report = _ingested(tmp_path, files)
    for file, pixels in read.items():
        decoded = np.asarray(Image.open(io.BytesIO(files[file])))
        assert np.abs(pixels - _meant(decoded, space, decode)).max() <= 1, file
    assert report.get("notes") == {CONVERTED: 4}


def test_skin_tone_is_that_of_the_profile(tmp_path):
    stored = _patches()
    read, _, _ = _ingested(tmp_path, {"a.png": _file(stored, icc_profile=P3)})
    tone, meant = (
        individual_typology_angle(lab_from_srgb((v[::4, ::4] / 255).astype(np.float32))).ravel()[:7]
        for v in (read["a.png"], _meant(stored, "display_p3", icc.srgb_decoded))
    )
    assert np.abs(tone - meant).max() < 0.5


def _with_chunks(png, **chunks):
    """A PNG with more chunks after its header."""
    more = b"".join(
        struct.pack(">I", len(body)) + name.encode() + body + struct.pack(">I", zlib.crc32(name.encode() + body))
        for name, body in chunks.items()
    )
    return png[:33] + more + png[33:]


def _chromaticities(space):
    points = [(0.3127, 0.3290), *PRIMARIES[space]]
    return struct.pack(">8I", *(round(v * 100_000) for point in points for v in point))


def test_srgb_by_any_name_is_bit_for_bit_untagged(tmp_path):
    plain = _file(np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    image = Image.open(io.BytesIO(plain))
    files = {
        "plain.png": plain,
        "lcms.png": _file(image, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        "camera.tif": _file(image, "TIFF", icc_profile=icc.matrix("srgb", icc.srgb_table())),
        "chunk.png": _with_chunks(plain, sRGB=b"\0", gAMA=struct.pack(">I", 45455)),
        "gamma.png": _with_chunks(plain, gAMA=struct.pack(">I", 45455), cHRM=_chromaticities("srgb")),
        "cicp.png": _with_chunks(plain, cICP=bytes([1, 13, 0, 1])),
    }
    read, _, report = _ingested(tmp_path, files)
    assert [name for name, pixels in read.items() if not np.array_equal(pixels, np.asarray(image))] == []
    assert not report.get("notes")


def test_chunks_of_png_are_believed(tmp_path):
    stored = _patches()
    plain = _file(stored)
    gamma = struct.pack(">I", 100_000)
    files = {
        "cicp.png": _with_chunks(plain, cICP=bytes([12, 13, 0, 1])),
        "linear.png": _with_chunks(plain, gAMA=gamma),
        "both.png": _with_chunks(plain, gAMA=gamma, cHRM=_chromaticities("adobe_rgb")),
        "icc_first.png": _with_chunks(_file(stored, icc_profile=P3), gAMA=gamma),
        "hdr.png": _with_chunks(plain, cICP=bytes([9, 16, 0, 1])),
        "nonsense.png": _with_chunks(plain, gAMA=gamma, cHRM=bytes(32)),
    }
    read, manifest, report = _ingested(tmp_path, files)
    p3, linear = _meant(stored, "display_p3", icc.srgb_decoded), _meant(stored, "srgb", lambda v: v)
    meant = {"cicp.png": p3, "linear.png": linear, "icc_first.png": p3, "nonsense.png": stored}
    meant["both.png"] = _meant(stored, "adobe_rgb", lambda v: v)
    for name, colours in meant.items():
        assert np.abs(read[name] - colours).max() <= 1, name
    assert "cICP 9, 16" in manifest.loc["hdr.png", "reason"]
    assert report.get("notes") == {CONVERTED: 4, UNUSABLE: 1}


def _exif(entries, sub=()):
    """An EXIF block, big-endian: entries of (tag, type, count, four bytes), and what lies behind them."""
    body = b"".join(struct.pack(">HHI4s", *entry) for entry in entries)
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(entries)) + body + bytes(4) + b"".join(sub)


def test_adobe_rgb_of_cameras_that_embed_no_profile(tmp_path):
    short, long, text = 3, 4, 2
    second, third = (8 + 2 + 12 + 4), (8 + 2 + 12 + 4) + (2 + 24 + 4)
    exif_ifd = struct.pack(">H", 2) + struct.pack(">HHI4s", 0xA001, short, 1, b"\xff\xff\0\0")
    exif_ifd += struct.pack(">HHI4s", 0xA005, long, 1, struct.pack(">I", third)) + bytes(4)
    interop = struct.pack(">HHHI4s", 1, 1, text, 4, b"R03\0") + bytes(4)
    block = _exif([(0x8769, long, 1, struct.pack(">I", second))], [exif_ifd, interop])
    stored = np.full((SIDE, SIDE, 3), (186, 120, 81), np.uint8)
    options = {"quality": 100, "subsampling": 0, "exif": block}
    read, _, report = _ingested(tmp_path, {"a.jpg": _file(stored, "JPEG", **options)})
    assert np.abs(read["a.jpg"] - _meant(stored, *SPACES["adobe_rgb"][1:])).max() <= 2
    assert report.get("notes") == {CONVERTED: 1}


def _jp2(pixels, box):
    """A lossless JPEG 2000 file whose colour box holds ``box``."""
    file = _file(pixels, "JPEG2000", irreversible=False)
    header, old = file.index(b"jp2h") - 4, file.index(b"colr") - 4
    (length,), (outer,) = struct.unpack(">I", file[old : old + 4]), struct.unpack(">I", file[header : header + 4])
    new = struct.pack(">I4s", 8 + len(box), b"colr") + box
    dilate = struct.pack(">I", outer + len(new) - length)
    return file[:header] + dilate + file[header + 4 : old] + new + file[old + length :]


def _avif(pixels, primaries, transfer):
    """A lossless AVIF file of those code points."""
    file = _file(pixels, "AVIF", quality=100, subsampling="4:4:4")
    place = file.index(b"nclx") + 4
    return file[:place] + struct.pack(">HH", primaries, transfer) + file[place + 4 :]


def test_colour_boxes_of_jpeg_2000_and_avif_are_believed(tmp_path):
    stored, srgb = _patches(), bytes([1, 0, 0]) + (16).to_bytes(4, "big")
    files = {
        "p3.jp2": _jp2(stored, bytes([2, 0, 0]) + P3),
        "srgb.jp2": _jp2(stored, srgb),
        "romm.jp2": _jp2(stored, bytes([1, 0, 0]) + (21).to_bytes(4, "big")),
        "p3.avif": _avif(stored, 12, 13),
        "srgb.avif": _avif(stored, 1, 1),
        "unsaid.avif": _avif(stored, 2, 2),
        "hdr.avif": _avif(stored, 9, 16),
    }
    read, manifest, report = _ingested(tmp_path, files)
    for name, space in {"p3.jp2": "p3", "srgb.jp2": "", "p3.avif": "p3", "srgb.avif": "", "unsaid.avif": ""}.items():
        decoded = np.asarray(Image.open(io.BytesIO(files[name])))
        meant = _meant(decoded, *SPACES["display_p3"][1:]) if space else decoded
        assert np.abs(read[name] - meant).max() <= 1, name
    assert read["hdr.avif"] is None
    assert "nclx 9, 16" in manifest.loc["hdr.avif", "reason"]
    assert report["notes"] == {CONVERTED: 2, UNUSABLE: 1}


def test_a_damaged_colour_box_is_none(tmp_path):
    stored = _patches()
    file = _avif(stored, 12, 13)
    place = file.index(b"ipco") - 4
    files = {"a.avif": file[:place] + struct.pack(">I", 4) + file[place + 4 :]}
    _, _, report = _ingested(tmp_path, files)
    assert sum(report["images"].values()) == 1


def test_greys_and_inks_by_their_profiles(tmp_path):
    ramp = np.repeat(np.arange(0, 256, 16, dtype=np.uint8)[None], SIDE, 0)
    lab = {(0, 0, 0, 0): (100, 0, 0), (1, 0, 0, 0): (60, -20, -25), (0, 1, 1, 0): (50, 30, 20)}
    profile = icc.inks(lambda *ink: lab.get(ink, (0, 0, 0)))
    inks = np.zeros((SIDE, SIDE, 4), np.uint8)
    inks[:, 4:8], inks[:, 8:12], inks[:, 12:] = (255, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255)
    printed = Image.frombytes("CMYK", (SIDE, SIDE), inks.tobytes())
    files = {
        "grey.png": _file(ramp, icc_profile=icc.grey(icc.power(1))),
        "inks.tif": _file(printed, "TIFF", icc_profile=profile),
        "inks_b.jpg": _file(printed, "JPEG", quality=100, subsampling=0, icc_profile=profile),
        "formula.tif": _file(printed, "TIFF"),
    }
    read, _, report = _ingested(tmp_path, files)
    assert np.abs(read["grey.png"][..., 0] - _srgb(ramp / 255)).max() <= 1
    meant = [_srgb_of_lab(c) for c in [*lab.values(), (0, 0, 0)]]
    assert np.abs(read["inks.tif"][0, ::4] - meant).max() <= 2
    assert np.abs(read["inks_b.jpg"][0, 1::4] - meant).max() <= 6
    assert read["formula.tif"][0, ::4].tolist() == [[255, 255, 255], [0, 255, 255], [255, 0, 0], [0, 0, 0]]
    assert report.get("notes") == {CONVERTED: 3, "CMYK without a profile: converted by formula": 1}


def _srgb_of_lab(lab):
    """sRGB, 0 to 255, of Lab relative to D50: Bradford's adaptation as Lindbloom gives it."""
    fy = (lab[0] + 16) / 116
    f = np.array([fy + lab[1] / 500, fy, fy - lab[2] / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.9642, 1, 0.8249]
    to_d65 = [
        [0.9555766, -0.0230393, 0.0631636],
        [-0.0282895, 1.0099416, 0.0210077],
        [0.0122982, -0.0204830, 1.3299098],
    ]
    return _srgb(np.linalg.inv(_xyz("srgb")) @ to_d65 @ xyz)


def test_an_unusable_profile_is_counted_and_the_image_is_srgb(tmp_path):
    stored = _patches()
    black = icc.matrix("", icc.power(1), ((0.1, 0.1, 0.1),) * 3)
    files = {
        "noise.png": _file(stored, icc_profile=np.random.default_rng(0).bytes(600)),
        "cut.png": _file(stored, icc_profile=P3[: len(P3) // 3]),
        "black.tif": _file(stored, "TIFF", icc_profile=black),
        "zlib.png": _with_chunks(_file(stored), iCCP=b"name\0\0not compressed"),
        "inks.png": _file(stored, icc_profile=icc.inks(lambda *_: (0, 0, 0))),
        "grey.jpg": _file(stored, "JPEG", quality=100, subsampling=0, icc_profile=icc.grey(icc.power(1))),
    }
    read, manifest, report = _ingested(tmp_path, files)
    for name, pixels in read.items():
        assert np.abs(pixels.astype(int) - stored).max() <= (3 if name == "grey.jpg" else 0), name
    assert report.get("notes") == {UNUSABLE: 4, "colour profile of another colour space: ignored": 2}
    assert report["images"]["present"] == 6
    assert (manifest["notes"] != "").all()


def test_colours_under_transparency_are_converted_too(tmp_path):
    stored = _patches()
    clear = np.concatenate([stored, np.full((SIDE, SIDE, 1), 128, np.uint8)], 2)
    few = Image.fromarray(stored).quantize(16)
    files = {"alpha.png": _file(clear, icc_profile=P3), "palette.png": _file(few, icc_profile=P3)}
    read, _, _ = _ingested(tmp_path, files)
    meant = _meant(stored, "display_p3", icc.srgb_decoded)
    assert np.abs(read["alpha.png"] - (meant * 128 + 255 * 127) / 255).max() <= 1.5
    assert np.abs(read["palette.png"] - _meant(np.asarray(few.convert("RGB")), *SPACES["display_p3"][1:])).max() <= 1


def test_a_services_image_is_read_in_its_colours_too(tmp_path):
    stored, paid, key = _patches(), Replies(tmp_path), ReplyKey("ab", "cd")
    paid.put(key, _file(stored, icc_profile=P3))
    read = edit._read(paid, key, SIDE)
    assert np.abs(read.pixels - _meant(stored, *SPACES["display_p3"][1:])).max() <= 1
    assert read.notes == (CONVERTED,)


def test_masks_hold_labels_and_no_colours(tmp_path):
    """By a linear profile or gamma, 100 would be a bright grey."""
    photo, drawn = _file(_patches()), np.full((SIDE, SIDE), 100, np.uint8)
    drawn[4:8] = 200
    masks = {
        "a.png": _file(drawn, icc_profile=icc.grey(icc.power(1))),
        "b.png": _with_chunks(_file(drawn), gAMA=struct.pack(">I", 100_000)),
        "c.png": _file(Image.fromarray(drawn).convert("RGB"), icc_profile=LINEAR),
        "d.png": _with_chunks(_file(drawn), cICP=bytes([9, 16, 0, 1])),
    }
    _, manifest, report = _ingested(tmp_path, dict.fromkeys(masks, photo), masks)
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
    _, manifest, report = _ingested(tmp_path, {"a": _file(_patches())}, {"a": _file(image, kind)})
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
    _, manifest, _ = _ingested(tmp_path, {"a": _file(_photo())}, {"a": _file(mask)})
    assert np.array_equal(
        manifest["mask"]["a"],
        images.fit(Image.fromarray(_ring(255, 0)).convert("RGB"), SIDE, "center_crop")[..., 0] > 127,
    )


def test_a_mask_in_greys_of_a_scale_is_read_between_its_own_two_levels(tmp_path):
    """130 and 220 of red, green and blue, with a JPEG's noise: against white, all of it was marked."""
    drawn = _as_jpeg(np.where(_ring(1, 0)[..., None], np.uint8([220, 230, 120]), np.uint8([150, 130, 160])))
    _, manifest, _ = _ingested(tmp_path, {"a": _file(_photo())}, {"a": _file(drawn)})
    assert 0.2 < manifest["mask"]["a"].mean() < 0.3


def test_what_vocs_palette_calls_undecided_alone_is_the_lesion(tmp_path):
    mask = _palette(_ring(255, 0), {255: (224, 224, 192)})
    _, manifest, _ = _ingested(tmp_path, {"a": _file(_photo())}, {"a": _file(mask)})
    assert 0.2 < manifest["mask"]["a"].mean() < 0.3


def test_inverted_masks_that_touch_the_edge_are_known_by_the_others(tmp_path):
    """One file cannot tell: a disc at the edge, inverted, is marked along most of the edge, as a large lesion is."""
    at_the_edge = 255 - np.where(_disc(0, 32, 16), 255, 0).astype(np.uint8)
    photographs = {name: _file(_photo()) for name in "abcd"}
    _, _, report = _ingested(_folder(tmp_path, "one"), {"a": photographs["a"]}, {"a": _file(at_the_edge)})
    assert report["notes"] == {"mask: most of the image's edge is marked": 1}
    masks = {name: _file(255 - _ring(255, 0)) for name in "abc"} | {"d": _file(at_the_edge)}
    with pytest.raises(DataError, match=r"3 of 4 masks .* inverted, all of them; save"):
        _ingested(_folder(tmp_path, "all"), photographs, masks)


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
    _, manifest, _ = _ingested(tmp_path, {"a": _file(_patches())}, {"a": _file(image, kind)})
    assert manifest.loc["a", "image_status"] == "quarantined"
    assert manifest.loc["a", "reason"].startswith("mask: ")
    assert "save" in manifest.loc["a", "reason"]


def test_masks_that_mark_nothing_or_everything_are_counted(tmp_path):
    masks = {"a": _file(SQUARE * np.uint8(0)), "b": _file(np.full((SIDE, SIDE), 255, np.uint8)), "c": _file(SQUARE)}
    _, _, report = _ingested(tmp_path, dict.fromkeys(masks, _file(_patches())), masks)
    assert report["notes"] == {"mask: everything is marked": 1, "mask: nothing is marked": 1}


def test_an_image_with_a_damaged_mask_says_that_it_is_the_mask(tmp_path):
    _, manifest, _ = _ingested(tmp_path, {"a.png": _file(_patches())}, {"a.png": b"no"})
    assert manifest.loc["a.png", "reason"] == "mask: not an image"


def _ramp(top):
    """Sixteen steps from 0 to ``top``."""
    return np.repeat(np.linspace(0, top, SIDE)[None], SIDE, 0)


def _packed_12_bits(levels):
    """A grey TIFF, big-endian, of 12 bits a sample: two samples in three bytes."""
    a, b = levels.reshape(-1, 2).astype(int).T
    body = np.stack([a >> 4, (a & 15) << 4 | b >> 8, b & 255], 1).astype(np.uint8).tobytes()
    tags = [(256, SIDE), (257, SIDE), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, SIDE), (279, len(body))]
    ifd = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(tags)) + ifd + bytes(4)


STATED = {
    "twelve_packed": lambda top: _packed_12_bits(_ramp(4095 * top)),
    "twelve_in_16": lambda top: _file(_ramp(4095 * top).astype(np.uint16), "TIFF", tiffinfo={341: 4095}),
    "float": lambda top: _file(_ramp(top).astype(np.float32), "TIFF", tiffinfo={341: 1.0}),
    "int32": lambda top: _file(_ramp(1000 * top).astype(np.int32), "TIFF", tiffinfo={340: 0, 341: 1000}),
    "sixteen": lambda top: _file(_ramp(65535 * top).astype(np.uint16)),
    "sixteen_tiff": lambda top: _file(_ramp(65535 * top).astype(np.uint16), "TIFF"),
}


@pytest.mark.parametrize("name", STATED)
def test_levels_are_scaled_by_the_white_that_the_file_states(tmp_path, name):
    """And not by the brightest pixel: a photograph at a third of the light has a third of the levels."""
    read, _, report = _ingested(tmp_path, {f"{t}.tif": STATED[name](t) for t in (1, 0.3)})
    for top in (1, 0.3):
        assert np.abs(read[f"{top}.tif"][0, :, 0] - _ramp(255 * top)[0]).max() <= 1, top
    assert report["images"]["present"] == 2


def test_white_can_be_zero(tmp_path):
    levels = _ramp(65535).astype(np.uint16)
    read, _, _ = _ingested(tmp_path, {"a.tif": _file(levels, "TIFF", tiffinfo={262: 0})})
    assert np.abs(read["a.tif"][0, :, 0] - _ramp(255)[0, ::-1]).max() <= 1


def _deep_png(levels):
    """A PNG of 16 bits a channel, (H, W, 3); Pillow writes none."""
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in levels)
    head = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks
    )


def test_levels_of_which_white_is_unknown_are_quarantined(tmp_path):
    twelve = _ramp(4095).astype(np.uint16)
    files = {
        "twelve.png": _file(twelve),
        "twelve_b.tif": _file(twelve, "TIFF"),
        "twelve_c.pgm": _file(twelve, "PPM"),
        "colour.png": _deep_png(np.repeat(twelve[..., None], 3, 2)),
        "sbit.png": _with_chunks(_file(twelve), sBIT=bytes([12])),
        "float1.tif": _file(_ramp(1).astype(np.float32), "TIFF"),
        "float255.tif": _file(_ramp(255).astype(np.float32), "TIFF"),
        "int32.tif": _file(_ramp(4095).astype(np.int32), "TIFF"),
        "nan.tif": _file(np.full((SIDE, SIDE), np.nan, np.float32), "TIFF", tiffinfo={341: 1.0}),
        "good.png": _deep_png(np.repeat(_ramp(65535)[..., None], 3, 2)),
    }
    read, manifest, report = _ingested(tmp_path, files)
    assert [name for name, pixels in read.items() if pixels is not None] == ["good.png"]
    assert np.abs(read["good.png"][0, :, 0] - _ramp(255)[0]).max() <= 1
    assert manifest["reason"].str.contains("save 8 bits").sum() == 9
    assert sum(report["quarantined_by_skin_type"][r]["1"] for r in report["quarantine_reasons"]) == 9


QUARTERS = np.kron([[250, 10], [120, 60]], np.ones((8, 8))).astype(np.uint8)


def test_a_photograph_is_turned_though_other_tags_of_its_exif_are_damaged(tmp_path):
    """Tags whose type does not fit their number: Pillow reads them, and fails to write them again."""
    turned = (0x0112, 3, 1, b"\0\6\0\0")
    damaged = [(0x0102, 2, 4, b"abc\0"), (0x011A, 2, 4, b"abc\0"), (0x010A, 2, 4, b"abc\0")]
    files = {
        f"{i}{kind}.x": _file(np.stack([QUARTERS] * 3, 2), kind, exif=_exif([entry, turned]), quality=100)
        for i, entry in enumerate(damaged)
        for kind in ("JPEG", "WEBP", "PNG")
    }
    upright, wrong = np.rot90(QUARTERS, -1), {}
    for name, content in files.items():
        (tmp_path / name).mkdir()
        try:
            read, _, report = _ingested(tmp_path / name, {name: content})
        except Exception as error:  # noqa: BLE001 - any would end the stage
            wrong[name] = f"ended ingest: {error!r}"
            continue
        if np.abs(read[name][..., 0].astype(int) - upright).max() > 12 or report.get("notes"):
            wrong[name] = f"not turned, or {report}"
    assert wrong == {}


def test_unreadable_exif_leaves_the_photograph_as_stored_and_is_counted(tmp_path):
    blocks = [
        b"Exif\0\0",
        b"Exif\0\0rubbish",
        _exif([(0x0112, 3, 1, b"\0\x63\0\0")]),
        _exif([(0x0112, 2, 4, b"six\0")]),
    ]
    files = {f"{i}.png": _file(np.stack([QUARTERS] * 3, 2), exif=block[6:] or b"M") for i, block in enumerate(blocks)}
    read, _, report = _ingested(tmp_path, files)
    assert [name for name, p in read.items() if p is None or not np.array_equal(p[..., 0], QUARTERS)] == []
    assert report.get("notes") == {"EXIF unreadable: not turned": len(blocks)}


def _damaged(content, rng):
    bad = bytearray(content)
    for place in rng.integers(0, len(bad), rng.integers(1, 12)):
        bad[place] = rng.integers(256)
    return bytes(bad)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_no_damage_to_a_file_ends_ingest(tmp_path, kind):
    """To any of its bytes, or to its EXIF block before it is written: else a PNG's checksum would tell at once."""
    exif = _exif([(0x0112, 3, 1, b"\0\6\0\0"), (0x0102, 3, 1, b"\0\x08\0\0"), (0x011A, 5, 1, b"\0\0\0\x1a")])
    rng, files = np.random.default_rng(0), {}
    for i in range(120):
        block = exif if i % 2 or kind == "TIFF" else exif[:14] + _damaged(exif[14:], rng)
        options = {"icc_profile": P3} if kind == "TIFF" else {"icc_profile": P3, "exif": block}
        good = _file(_patches(), kind, **options)
        bad = _damaged(good, rng) if block == exif else good
        files[f"{i}.x"] = bad if i % 4 else bad[: rng.integers(len(bad) // 2, len(bad))]
    read, manifest, report = _ingested(tmp_path, files)
    assert len(read) == sum(report["images"].values()) == 120
    assert (manifest.loc[manifest["image_status"] == "quarantined", "reason"] != "").all()
    assert json.dumps(report)


TALL, WIDE = (24, 16), (16, 24)  # shapes of arrays


def _drawn(shape, value=255):
    """A mask that marks the upper left corner of what it is drawn on."""
    mask = np.zeros(shape, np.uint8)
    mask[: shape[0] // 2, : shape[1] // 2] = value
    return mask


def _turned_photograph(shape, orientation, kind="JPEG"):
    """A file of pixels of ``shape``, which EXIF turns; bright where ``_drawn`` marks its stored pixels."""
    tags = {"tiffinfo": {0x112: orientation}} if kind == "TIFF" else {"exif": _oriented(orientation)}
    return _file(np.repeat(_drawn(shape)[..., None], 3, 2), kind, **tags)


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
    read, manifest, report = _ingested(tmp_path, files, {"a": _file(_drawn(WIDE))})
    assert _overlap(read, manifest) > 0.95
    assert report["notes"] == {"mask: drawn on the stored pixels: turned with its photograph": 1}


def test_a_mask_drawn_on_the_upright_photograph_stays(tmp_path):
    turned = np.rot90(_drawn(WIDE), -1)  # what orientation 6 makes of it
    assert turned.shape == TALL
    read, manifest, report = _ingested(tmp_path, {"a": _turned_photograph(WIDE, 6)}, {"a": _file(turned.copy())})
    assert _overlap(read, manifest) > 0.95
    assert report["notes"] == {}


def test_a_mask_with_exif_of_its_own_is_turned_by_that(tmp_path):
    masks = {"a": _file(_drawn((16, 16)), "PNG", exif=_oriented(6))}
    read, manifest, _ = _ingested(tmp_path, {"a": _turned_photograph((16, 16), 6)}, masks)
    assert _overlap(read, manifest) > 0.95


@pytest.mark.parametrize(("shape", "orientation"), [((16, 16), 6), (WIDE, 3), (WIDE, 2), (WIDE, 4)])
def test_a_mask_that_may_lie_in_two_ways_is_refused(tmp_path, shape, orientation):
    files = {"a": _turned_photograph(shape, orientation)}
    _, manifest, _ = _ingested(tmp_path, files, {"a": _file(_drawn(shape))})
    assert manifest.loc["a", "image_status"] == "quarantined"
    assert "before or after" in manifest.loc["a", "reason"]


@pytest.mark.parametrize("shape", [(16, 16), TALL, (16, 20), (8, 14)])
def test_a_mask_of_another_shape_is_refused(tmp_path, shape):
    photograph = _file(np.repeat(_drawn(WIDE)[..., None], 3, 2))
    _, manifest, _ = _ingested(tmp_path, {"a": photograph}, {"a": _file(_drawn(shape))})
    assert manifest.loc["a", "image_status"] == "quarantined"
    assert manifest.loc["a", "reason"].endswith("on a photograph of 24 x 16: another shape")


def test_a_mask_may_be_smaller_than_its_photograph_but_for_rounding(tmp_path):
    photograph = _file(np.repeat(_drawn((40, 61))[..., None], 3, 2))
    read, manifest, _ = _ingested(tmp_path, {"a": photograph}, {"a": _file(_drawn((20, 30)))})
    assert _overlap(read, manifest) > 0.9


def test_a_mask_of_several_frames_is_refused_and_of_photographs_the_first_is_read(tmp_path):
    frames = [Image.fromarray(_drawn(WIDE)), Image.fromarray(255 - _drawn(WIDE))]
    several = _file(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    files = {"a": several, "b": several}
    _, manifest, report = _ingested(tmp_path, files, {"a": several, "b": _file(_drawn(WIDE))})
    assert "several frames" in manifest.loc["a", "reason"]
    assert manifest.loc["b", "image_status"] == "present"
    assert report["notes"] == {"several frames: the first is read": 1}


def test_what_is_marked_may_be_lost_at_a_small_size_and_is_counted(tmp_path):
    speck = np.zeros((200, 200), np.uint8)
    speck[0, 0] = 255
    photograph = _file(np.full((200, 200, 3), 90, np.uint8))
    files, masks = {"a": photograph}, {"a": _file(speck)}
    (tmp_path / "x").mkdir()
    _, manifest, report = _ingested(tmp_path / "x", files, masks)
    assert manifest.loc["a", "reason"].startswith("200 x 200 pixels are more than max_pixels")
    small = {"a": _file(speck[:99, :99])}
    _, _, report = _ingested(tmp_path, {"a": _file(np.full((99, 99, 3), 90, np.uint8))}, small)
    assert report["notes"] == {"mask: nothing that is marked is left at this size and crop": 1}
    assert report["notes_by_skin_type"] == {"mask: nothing that is marked is left at this size and crop": {"1": 1}}


def test_max_pixels_alone_says_how_large_a_photograph_may_be(tmp_path):
    """Pillow refuses 179 million pixels by itself, and its limit was reported as the user's."""
    large = tmp_path / "a.png"
    Image.new("1", (16_000, 12_000)).save(large)
    assert images.read_image(large, 16, "squash", 192_000_000).pixels.shape == (16, 16, 3)
    with pytest.raises(BadImageError, match=r"^16000 x 12000 pixels are more than max_pixels, 191999999$"):
        images.read_image(large, 16, "squash", 191_999_999)


def test_what_is_no_file_ends_no_stage(tmp_path, monkeypatch):
    files = {"folder": b"", "shut": _file(_patches()), "good": _file(_patches())}
    real = images._open

    def guarded(file, *rest, **options):
        if file.name == "shut":
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *rest, **options)

    monkeypatch.setattr(images, "_open", guarded)
    (tmp_path / "x").mkdir()
    _, manifest, _ = _ingested(tmp_path / "x", files)
    assert dict(manifest["image_status"]) == {"folder": "quarantined", "shut": "quarantined", "good": "present"}
    assert manifest.loc["shut", "reason"] == "can't be read: Permission denied"
    assert str(tmp_path) not in " ".join(manifest["reason"])


def test_photographs_with_a_damaged_exif_block_are_read_unturned(tmp_path, real_data):
    cases = real_data.parent / "cases" / "corrupt_exif"
    if not cases.is_dir():
        pytest.skip(f"no real data at {cases}")
    files = {f.name: f.read_bytes() for f in sorted(cases.iterdir())}
    _, manifest, report = _ingested(tmp_path, files)
    assert len(files) == 5
    assert (manifest["image_status"] != "missing").all()
    assert report["images"]["present"] + report["images"]["quarantined"] == 5


def test_one_link_out_of_the_folder_or_one_odd_error_is_one_images_fault(tmp_path):
    (tmp_path / "x").mkdir()
    outside = tmp_path / "outside"
    outside.write_bytes(_file(_patches()))
    source = _source(tmp_path / "x", {"link": b"", "odd": _file(_patches()), "good": _file(_patches())})
    (tmp_path / "x/images/link").unlink()
    (tmp_path / "x/images/link").symlink_to(outside)

    def load(position):
        if source.table["file"][position] == "odd":
            raise TypeError("an adapter's own")
        return source.load(position)

    (tmp_path / "out").mkdir()
    report = ingest(replace(source, load=load), SIDE, tmp_path / "out")
    assert report["images"] == {"present": 1, "missing": 0, "quarantined": 2}
    assert set(report["quarantine_reasons"]) == {
        "a link that leads out of its folder, or nowhere: copy the file instead",
        "can't be read: TypeError: an adapter's own",
    }


@pytest.mark.parametrize("error", [MemoryError(), OSError(24, "Too many open files")])
def test_what_is_the_machines_fault_ends_ingest_with_the_remedy(tmp_path, error):
    source = _source(tmp_path, {"a": _file(_patches())})

    def load(_position):
        raise error

    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=r"image a: .*this machine's fault.*run again"):
        ingest(replace(source, load=load), SIDE, tmp_path / "out")


def test_a_photograph_is_no_mask_of_itself(tmp_path):
    source = _source(tmp_path, {"a": _file(_patches())}, mask="{file}", masked="images")
    with pytest.raises(BadImageError, match="mask: the photograph itself"):
        source.load(0)

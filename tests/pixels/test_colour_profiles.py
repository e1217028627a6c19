"""Colours become sRGB by what a file says of them: profile, chunk, box or Exif; or that is counted as unusable."""

import io
import struct

import icc_profiles as icc
import numpy as np
import pytest
from photographs import (
    CONVERTED,
    P3,
    PRIMARIES,
    SIDE,
    SPACES,
    UNUSABLE,
    encoded,
    exif_block,
    ingested,
    patches,
    srgb_meant,
    srgb_values,
    with_chunks,
    xyz_from_rgb,
)
from PIL import Image, ImageCms

from pipeline_steps.generation import remote
from pipeline_steps.items.replies import Replies, ReplyKey
from pipeline_steps.pixels.color import individual_typology_angle, lab_from_srgb


@pytest.mark.parametrize("name", SPACES)
def test_colours_are_those_that_the_profile_means(tmp_path, name):
    profile, space, decode = SPACES[name]
    stored = patches()
    files = {
        "a.png": encoded(stored, icc_profile=profile),
        "b.tif": encoded(stored, "TIFF", icc_profile=profile),
        "c.webp": encoded(stored, "WEBP", lossless=True, icc_profile=profile),
        "d.jpg": encoded(stored, "JPEG", quality=100, subsampling=0, icc_profile=profile),
    }
    read, _, report = ingested(tmp_path, files)
    for file, pixels in read.items():
        decoded = np.asarray(Image.open(io.BytesIO(files[file])))
        assert np.abs(pixels - srgb_meant(decoded, space, decode)).max() <= 1, file
    assert report.get("notes") == {CONVERTED: 4}


def test_skin_tone_is_that_of_the_profile(tmp_path):
    stored = patches()
    read, _, _ = ingested(tmp_path, {"a.png": encoded(stored, icc_profile=P3)})
    tone, meant = (
        individual_typology_angle(lab_from_srgb((v[::4, ::4] / 255).astype(np.float32))).ravel()[:7]
        for v in (read["a.png"], srgb_meant(stored, "display_p3", icc.srgb_decoded))
    )
    assert np.abs(tone - meant).max() < 0.5


def _chromaticities(space):
    points = [(0.3127, 0.3290), *PRIMARIES[space]]
    return struct.pack(">8I", *(round(v * 100_000) for point in points for v in point))


def test_srgb_by_any_name_is_bit_for_bit_untagged(tmp_path):
    plain = encoded(np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    image = Image.open(io.BytesIO(plain))
    files = {
        "plain.png": plain,
        "lcms.png": encoded(image, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        "camera.tif": encoded(image, "TIFF", icc_profile=icc.matrix("srgb", icc.srgb_table())),
        "chunk.png": with_chunks(plain, sRGB=b"\0", gAMA=struct.pack(">I", 45455)),
        "gamma.png": with_chunks(plain, gAMA=struct.pack(">I", 45455), cHRM=_chromaticities("srgb")),
        "cicp.png": with_chunks(plain, cICP=bytes([1, 13, 0, 1])),
    }
    read, _, report = ingested(tmp_path, files)
    assert [name for name, pixels in read.items() if not np.array_equal(pixels, np.asarray(image))] == []
    assert not report.get("notes")


def test_chunks_of_png_are_believed(tmp_path):
    stored = patches()
    plain = encoded(stored)
    gamma = struct.pack(">I", 100_000)
    files = {
        "cicp.png": with_chunks(plain, cICP=bytes([12, 13, 0, 1])),
        "linear.png": with_chunks(plain, gAMA=gamma),
        "both.png": with_chunks(plain, gAMA=gamma, cHRM=_chromaticities("adobe_rgb")),
        "icc_first.png": with_chunks(encoded(stored, icc_profile=P3), gAMA=gamma),
        "hdr.png": with_chunks(plain, cICP=bytes([9, 16, 0, 1])),
        "nonsense.png": with_chunks(plain, gAMA=gamma, cHRM=bytes(32)),
    }
    read, manifest, report = ingested(tmp_path, files)
    p3, linear = srgb_meant(stored, "display_p3", icc.srgb_decoded), srgb_meant(stored, "srgb", lambda v: v)
    meant = {"cicp.png": p3, "linear.png": linear, "icc_first.png": p3, "nonsense.png": stored}
    meant["both.png"] = srgb_meant(stored, "adobe_rgb", lambda v: v)
    for name, colours in meant.items():
        assert np.abs(read[name] - colours).max() <= 1, name
    assert "cICP 9, 16" in manifest.loc["hdr.png", "reason"]
    assert report.get("notes") == {CONVERTED: 4, UNUSABLE: 1}


def test_adobe_rgb_of_cameras_that_embed_no_profile(tmp_path):
    short, long, text = 3, 4, 2
    second, third = (8 + 2 + 12 + 4), (8 + 2 + 12 + 4) + (2 + 24 + 4)
    exif_ifd = struct.pack(">H", 2) + struct.pack(">HHI4s", 0xA001, short, 1, b"\xff\xff\0\0")
    exif_ifd += struct.pack(">HHI4s", 0xA005, long, 1, struct.pack(">I", third)) + bytes(4)
    interop = struct.pack(">HHHI4s", 1, 1, text, 4, b"R03\0") + bytes(4)
    block = exif_block([(0x8769, long, 1, struct.pack(">I", second))], [exif_ifd, interop])
    stored = np.full((SIDE, SIDE, 3), (186, 120, 81), np.uint8)
    options = {"quality": 100, "subsampling": 0, "exif": block}
    read, _, report = ingested(tmp_path, {"a.jpg": encoded(stored, "JPEG", **options)})
    assert np.abs(read["a.jpg"] - srgb_meant(stored, *SPACES["adobe_rgb"][1:])).max() <= 2
    assert report.get("notes") == {CONVERTED: 1}


def _jp2(pixels, box):
    """A lossless JPEG 2000 file whose colour box holds ``box``."""
    file = encoded(pixels, "JPEG2000", irreversible=False)
    header, old = file.index(b"jp2h") - 4, file.index(b"colr") - 4
    (length,), (outer,) = struct.unpack(">I", file[old : old + 4]), struct.unpack(">I", file[header : header + 4])
    new = struct.pack(">I4s", 8 + len(box), b"colr") + box
    dilate = struct.pack(">I", outer + len(new) - length)
    return file[:header] + dilate + file[header + 4 : old] + new + file[old + length :]


def _avif(pixels, primaries, transfer):
    """A lossless AVIF file of those code points."""
    file = encoded(pixels, "AVIF", quality=100, subsampling="4:4:4")
    place = file.index(b"nclx") + 4
    return file[:place] + struct.pack(">HH", primaries, transfer) + file[place + 4 :]


def test_colour_boxes_of_jpeg_2000_and_avif_are_believed(tmp_path):
    stored, srgb = patches(), bytes([1, 0, 0]) + (16).to_bytes(4, "big")
    files = {
        "p3.jp2": _jp2(stored, bytes([2, 0, 0]) + P3),
        "srgb.jp2": _jp2(stored, srgb),
        "romm.jp2": _jp2(stored, bytes([1, 0, 0]) + (21).to_bytes(4, "big")),
        "p3.avif": _avif(stored, 12, 13),
        "srgb.avif": _avif(stored, 1, 1),
        "unsaid.avif": _avif(stored, 2, 2),
        "hdr.avif": _avif(stored, 9, 16),
    }
    read, manifest, report = ingested(tmp_path, files)
    for name, space in {"p3.jp2": "p3", "srgb.jp2": "", "p3.avif": "p3", "srgb.avif": "", "unsaid.avif": ""}.items():
        decoded = np.asarray(Image.open(io.BytesIO(files[name])))
        meant = srgb_meant(decoded, *SPACES["display_p3"][1:]) if space else decoded
        assert np.abs(read[name] - meant).max() <= 1, name
    assert read["hdr.avif"] is None
    assert "nclx 9, 16" in manifest.loc["hdr.avif", "reason"]
    assert report["notes"] == {CONVERTED: 2, UNUSABLE: 1}


def test_a_damaged_colour_box_is_none(tmp_path):
    stored = patches()
    file = _avif(stored, 12, 13)
    place = file.index(b"ipco") - 4
    files = {"a.avif": file[:place] + struct.pack(">I", 4) + file[place + 4 :]}
    _, _, report = ingested(tmp_path, files)
    assert sum(report["images"].values()) == 1


def test_greys_and_inks_by_their_profiles(tmp_path):
    ramp = np.repeat(np.arange(0, 256, 16, dtype=np.uint8)[None], SIDE, 0)
    lab = {(0, 0, 0, 0): (100, 0, 0), (1, 0, 0, 0): (60, -20, -25), (0, 1, 1, 0): (50, 30, 20)}
    profile = icc.inks(lambda *ink: lab.get(ink, (0, 0, 0)))
    inks = np.zeros((SIDE, SIDE, 4), np.uint8)
    inks[:, 4:8], inks[:, 8:12], inks[:, 12:] = (255, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255)
    printed = Image.frombytes("CMYK", (SIDE, SIDE), inks.tobytes())
    files = {
        "grey.png": encoded(ramp, icc_profile=icc.grey(icc.power(1))),
        "inks.tif": encoded(printed, "TIFF", icc_profile=profile),
        "inks_b.jpg": encoded(printed, "JPEG", quality=100, subsampling=0, icc_profile=profile),
        "formula.tif": encoded(printed, "TIFF"),
    }
    read, _, report = ingested(tmp_path, files)
    assert np.abs(read["grey.png"][..., 0] - srgb_values(ramp / 255)).max() <= 1
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
    return srgb_values(np.linalg.inv(xyz_from_rgb("srgb")) @ to_d65 @ xyz)


def test_an_unusable_profile_is_counted_and_the_image_is_srgb(tmp_path):
    stored = patches()
    black = icc.matrix("", icc.power(1), ((0.1, 0.1, 0.1),) * 3)
    files = {
        "noise.png": encoded(stored, icc_profile=np.random.default_rng(0).bytes(600)),
        "cut.png": encoded(stored, icc_profile=P3[: len(P3) // 3]),
        "black.tif": encoded(stored, "TIFF", icc_profile=black),
        "zlib.png": with_chunks(encoded(stored), iCCP=b"name\0\0not compressed"),
        "inks.png": encoded(stored, icc_profile=icc.inks(lambda *_: (0, 0, 0))),
        "grey.jpg": encoded(stored, "JPEG", quality=100, subsampling=0, icc_profile=icc.grey(icc.power(1))),
    }
    read, manifest, report = ingested(tmp_path, files)
    for name, pixels in read.items():
        assert np.abs(pixels.astype(int) - stored).max() <= (3 if name == "grey.jpg" else 0), name
    assert report.get("notes") == {UNUSABLE: 4, "colour profile of another colour space: ignored": 2}
    assert report["images"]["present"] == 6
    assert (manifest["notes"] != "").all()


def test_colours_under_transparency_are_converted_too(tmp_path):
    stored = patches()
    clear = np.concatenate([stored, np.full((SIDE, SIDE, 1), 128, np.uint8)], 2)
    few = Image.fromarray(stored).quantize(16)
    files = {"alpha.png": encoded(clear, icc_profile=P3), "palette.png": encoded(few, icc_profile=P3)}
    read, _, _ = ingested(tmp_path, files)
    meant = srgb_meant(stored, "display_p3", icc.srgb_decoded)
    assert np.abs(read["alpha.png"] - (meant * 128 + 255 * 127) / 255).max() <= 1.5
    assert (
        np.abs(read["palette.png"] - srgb_meant(np.asarray(few.convert("RGB")), *SPACES["display_p3"][1:])).max() <= 1
    )


def test_a_services_image_is_read_in_its_colours_too(tmp_path):
    stored, paid, key = patches(), Replies(tmp_path), ReplyKey("ab", "cd")
    paid.put(key, encoded(stored, icc_profile=P3))
    read = remote._read(paid, key, SIDE)
    assert np.abs(read.pixels - srgb_meant(stored, *SPACES["display_p3"][1:])).max() <= 1
    assert read.notes == (CONVERTED,)

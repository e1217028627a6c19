"""More than 8 bits become 8 by the white that a file states, or the image is quarantined."""

import struct
import zlib

import numpy as np
import pytest
from photographs import SIDE, encoded, ingested, with_chunks


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
    "twelve_in_16": lambda top: encoded(_ramp(4095 * top).astype(np.uint16), "TIFF", tiffinfo={341: 4095}),
    "float": lambda top: encoded(_ramp(top).astype(np.float32), "TIFF", tiffinfo={341: 1.0}),
    "int32": lambda top: encoded(_ramp(1000 * top).astype(np.int32), "TIFF", tiffinfo={340: 0, 341: 1000}),
    "sixteen": lambda top: encoded(_ramp(65535 * top).astype(np.uint16)),
    "sixteen_tiff": lambda top: encoded(_ramp(65535 * top).astype(np.uint16), "TIFF"),
}


@pytest.mark.parametrize("name", STATED)
def test_levels_are_scaled_by_the_white_that_the_file_states(tmp_path, name):
    """And not by the brightest pixel: a photograph at a third of the light has a third of the levels."""
    read, _, report = ingested(tmp_path, {f"{t}.tif": STATED[name](t) for t in (1, 0.3)})
    for top in (1, 0.3):
        assert np.abs(read[f"{top}.tif"][0, :, 0] - _ramp(255 * top)[0]).max() <= 1, top
    assert report["images"]["present"] == 2


def test_white_can_be_zero(tmp_path):
    levels = _ramp(65535).astype(np.uint16)
    read, _, _ = ingested(tmp_path, {"a.tif": encoded(levels, "TIFF", tiffinfo={262: 0})})
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
        "twelve.png": encoded(twelve),
        "twelve_b.tif": encoded(twelve, "TIFF"),
        "twelve_c.pgm": encoded(twelve, "PPM"),
        "colour.png": _deep_png(np.repeat(twelve[..., None], 3, 2)),
        "sbit.png": with_chunks(encoded(twelve), sBIT=bytes([12])),
        "float1.tif": encoded(_ramp(1).astype(np.float32), "TIFF"),
        "float255.tif": encoded(_ramp(255).astype(np.float32), "TIFF"),
        "int32.tif": encoded(_ramp(4095).astype(np.int32), "TIFF"),
        "nan.tif": encoded(np.full((SIDE, SIDE), np.nan, np.float32), "TIFF", tiffinfo={341: 1.0}),
        "good.png": _deep_png(np.repeat(_ramp(65535)[..., None], 3, 2)),
    }
    read, manifest, report = ingested(tmp_path, files)
    assert [name for name, pixels in read.items() if pixels is not None] == ["good.png"]
    assert np.abs(read["good.png"][0, :, 0] - _ramp(255)[0]).max() <= 1
    assert manifest["reason"].str.contains("save 8 bits").sum() == 9
    assert sum(report["quarantined_by_skin_type"][r]["1"] for r in report["quarantine_reasons"]) == 9

"""Photographs of known colours, and what ``ingest`` makes of files that hold them."""

import io
import struct
import zlib

import icc_profiles as icc
import numpy as np
from PIL import Image

from pipeline_steps.datasets.table import Decoding, Mapped, read_mapped
from pipeline_steps.ingest import ingest
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.manifest import PRESENT, open_dataset

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


def source_of(folder, files, masks=None, mask="", masked="masks"):
    """A set of files given as bytes, with a table of their names."""
    for place, named in (("images", files), ("masks", masks or {})):
        (folder / place).mkdir()
        for name, content in named.items():
            (folder / place / name).write_bytes(content)
    (folder / "t.csv").write_text("file,label,type\n" + "".join(f"{name},x,1\n" for name in files))
    mapped = Mapped(
        csv=folder / "t.csv", images=folder / "images", masks=folder / masked, file="{file}",
        mask=mask or ("{file}" if masks else ""), image_id="file", condition="label", skin_type="type", patient_id="",
        lesion_id="", attributes=(), skin_scale="fitzpatrick", skin_assigner="",
    )  # fmt: skip
    return read_mapped(mapped, Decoding(SIDE, "squash", 10_000))


def ingested(folder, files, masks=None):
    """Pixels by name (None: quarantined), the manifest by name, and the report, of files given as bytes."""
    source, out = source_of(folder, files, masks), folder / "out"
    out.mkdir()
    report = ingest(source, out, ItemStore(folder / "items"))
    data = open_dataset(out)
    ids = dict(zip(data.manifest["file"], data.manifest["image_id"], strict=True))
    there = set(data.manifest.loc[data.manifest["image_status"] == PRESENT, "file"])
    read = {name: data.images([one])[0] if name in there else None for name, one in ids.items()}
    return read, data.manifest.set_index("file").assign(mask=list(map(data.known_mask, ids.values()))), report


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def patches():
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


def xyz_from_rgb(space):
    """Linear RGB to XYZ relative to D65, from chromaticities (SMPTE RP 177)."""
    (x, y), white = np.array(PRIMARIES[space]).T, np.array([0.3127 / 0.3290, 1, 0.3583 / 0.3290])
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    return columns * np.linalg.solve(columns, white)


def srgb_values(linear):
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_meant(stored, space, decode):
    """sRGB values, 0 to 255, of what is stored in another space."""
    return srgb_values(decode(stored / 255) @ (np.linalg.inv(xyz_from_rgb("srgb")) @ xyz_from_rgb(space)).T)


SPACES = {
    "display_p3": (P3, "display_p3", icc.srgb_decoded),
    "adobe_rgb": (ADOBE, "adobe_rgb", lambda v: v ** (563 / 256)),
    "linear": (LINEAR, "srgb", lambda v: v),
}


def with_chunks(png, **chunks):
    """A PNG with more chunks after its header."""
    more = b"".join(
        struct.pack(">I", len(body)) + name.encode() + body + struct.pack(">I", zlib.crc32(name.encode() + body))
        for name, body in chunks.items()
    )
    return png[:33] + more + png[33:]


def exif_block(entries, sub=()):
    """An EXIF block, big-endian: entries of (tag, type, count, four bytes), and what lies behind them."""
    body = b"".join(struct.pack(">HHI4s", *entry) for entry in entries)
    return b"Exif\0\0MM\0*" + struct.pack(">IH", 8, len(entries)) + body + bytes(4) + b"".join(sub)

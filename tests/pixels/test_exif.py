"""A photograph is turned as its Exif says, whatever else in that block is damaged."""

import numpy as np
import pytest
from photographs import encoded, exif_block, ingested

QUARTERS = np.kron([[250, 10], [120, 60]], np.ones((8, 8))).astype(np.uint8)


def test_a_photograph_is_turned_though_other_tags_of_its_exif_are_damaged(tmp_path):
    """Tags whose type does not fit their number: Pillow reads them, and fails to write them again."""
    turned = (0x0112, 3, 1, b"\0\6\0\0")
    damaged = [(0x0102, 2, 4, b"abc\0"), (0x011A, 2, 4, b"abc\0"), (0x010A, 2, 4, b"abc\0")]
    files = {
        f"{i}{kind}.x": encoded(np.stack([QUARTERS] * 3, 2), kind, exif=exif_block([entry, turned]), quality=100)
        for i, entry in enumerate(damaged)
        for kind in ("JPEG", "WEBP", "PNG")
    }
    upright, wrong = np.rot90(QUARTERS, -1), {}
    for name, content in files.items():
        (tmp_path / name).mkdir()
        try:
            read, _, report = ingested(tmp_path / name, {name: content})
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
        exif_block([(0x0112, 3, 1, b"\0\x63\0\0")]),
        exif_block([(0x0112, 2, 4, b"six\0")]),
    ]
    files = {f"{i}.png": encoded(np.stack([QUARTERS] * 3, 2), exif=block[6:] or b"M") for i, block in enumerate(blocks)}
    read, _, report = ingested(tmp_path, files)
    assert [name for name, p in read.items() if p is None or not np.array_equal(p[..., 0], QUARTERS)] == []
    assert report.get("notes") == {"EXIF unreadable: not turned": len(blocks)}


def test_photographs_with_a_damaged_exif_block_are_read_unturned(tmp_path, real_data):
    cases = real_data.parent / "cases" / "corrupt_exif"
    if not cases.is_dir():
        pytest.skip(f"no real data at {cases}")
    files = {f.name: f.read_bytes() for f in sorted(cases.iterdir())}
    _, manifest, report = ingested(tmp_path, files)
    assert len(files) == 5
    assert (manifest["image_status"] != "missing").all()
    assert report["images"]["present"] + report["images"]["quarantined"] == 5

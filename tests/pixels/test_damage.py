"""No damaged file ends ``ingest``; a fault of the machine does, with the remedy."""

import json
from dataclasses import replace

import numpy as np
import pytest
from photographs import P3, encoded, exif_block, ingested, patches, source_of
from PIL import Image

from pipeline_steps.ingest import ingest
from pipeline_steps.items.store import ItemStore
from pipeline_steps.pixels import images
from pipeline_steps.stage.errors import BadImageError, DataError


def _damaged(content, rng):
    bad = bytearray(content)
    for place in rng.integers(0, len(bad), rng.integers(1, 12)):
        bad[place] = rng.integers(256)
    return bytes(bad)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_no_damage_to_a_file_ends_ingest(tmp_path, kind):
    """To any of its bytes, or to its EXIF block before it is written: else a PNG's checksum would tell at once."""
    exif = exif_block([(0x0112, 3, 1, b"\0\6\0\0"), (0x0102, 3, 1, b"\0\x08\0\0"), (0x011A, 5, 1, b"\0\0\0\x1a")])
    rng, files = np.random.default_rng(0), {}
    for i in range(120):
        block = exif if i % 2 or kind == "TIFF" else exif[:14] + _damaged(exif[14:], rng)
        options = {"icc_profile": P3} if kind == "TIFF" else {"icc_profile": P3, "exif": block}
        good = encoded(patches(), kind, **options)
        bad = _damaged(good, rng) if block == exif else good
        files[f"{i}.x"] = bad if i % 4 else bad[: rng.integers(len(bad) // 2, len(bad))]
    read, manifest, report = ingested(tmp_path, files)
    assert len(read) == sum(report["images"].values()) == 120
    assert (manifest.loc[manifest["image_status"] == "quarantined", "reason"] != "").all()
    assert json.dumps(report)


def test_max_pixels_alone_says_how_large_a_photograph_may_be(tmp_path):
    """Pillow refuses 179 million pixels by itself, and its limit was reported as the user's."""
    large = tmp_path / "a.png"
    Image.new("1", (16_000, 12_000)).save(large)
    assert images.read_image(large, 16, "squash", 192_000_000).pixels.shape == (16, 16, 3)
    with pytest.raises(BadImageError, match=r"^16000 x 12000 pixels are more than max_pixels, 191999999$"):
        images.read_image(large, 16, "squash", 191_999_999)


def test_what_is_no_file_ends_no_stage(tmp_path, monkeypatch):
    files = {"folder": b"", "shut": encoded(patches()[::-1]), "good": encoded(patches())}
    real = images._open

    def guarded(file, *rest, **options):
        if file.name == "shut":
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *rest, **options)

    monkeypatch.setattr(images, "_open", guarded)
    (tmp_path / "x").mkdir()
    _, manifest, _ = ingested(tmp_path / "x", files)
    assert dict(manifest["image_status"]) == {"folder": "quarantined", "shut": "quarantined", "good": "present"}
    assert manifest.loc["shut", "reason"] == "can't be read: Permission denied"
    assert str(tmp_path) not in " ".join(manifest["reason"])


def test_one_link_out_of_the_folder_or_one_odd_error_is_one_images_fault(tmp_path):
    (tmp_path / "x").mkdir()
    outside = tmp_path / "outside"
    outside.write_bytes(encoded(patches()))
    source = source_of(tmp_path / "x", {"link": b"", "odd": encoded(patches()), "good": encoded(patches())})
    (tmp_path / "x/images/link").unlink()
    (tmp_path / "x/images/link").symlink_to(outside)

    def load(position):
        if source.table["file"][position] == "odd":
            raise TypeError("an adapter's own")
        return source.load(position)

    (tmp_path / "out").mkdir()
    report = ingest(replace(source, load=load, key=lambda _: ""), tmp_path / "out", ItemStore(tmp_path / "items"))
    assert report["images"] == {"present": 1, "missing": 0, "quarantined": 2}
    assert set(report["quarantine_reasons"]) == {
        "a link that leads out of its folder, or nowhere: copy the file instead",
        "can't be read: TypeError: an adapter's own",
    }


@pytest.mark.parametrize("error", [MemoryError(), OSError(24, "Too many open files")])
def test_what_is_the_machines_fault_ends_ingest_with_the_remedy(tmp_path, error):
    source = source_of(tmp_path, {"a": encoded(patches())})

    def load(_position):
        raise error

    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=r"image a: .*this machine's fault.*run again"):
        ingest(replace(source, load=load, key=lambda _: ""), tmp_path / "out", ItemStore(tmp_path / "items"))

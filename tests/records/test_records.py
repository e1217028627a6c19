"""Colours, skin types, images and tables as they come."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline_steps.checkpoints.provenance import weights_digest
from pipeline_steps.datasets.table import Decoding, Mapped, read_mapped
from pipeline_steps.pixels.color import (
    individual_typology_angle,
    lab_from_srgb,
    linear_from_lab,
    srgb_from_linear,
)
from pipeline_steps.pixels.images import png_bytes, read_image, with_text
from pipeline_steps.records.groups import merge_groups
from pipeline_steps.records.manifest import safe_path
from pipeline_steps.records.skin_types import parse_skin_type, type_from_ita
from pipeline_steps.stage.errors import BadImageError, DataError
from pipeline_steps.stage.outputs import BusyError, OutputError, atomic_file, atomic_folder

D = Decoding(16, "center_crop", 1_000_000)


@given(st.tuples(*[st.floats(0.02, 0.98)] * 3))
def test_lab_round_trip(rgb):
    srgb = np.array(rgb, np.float32)
    assert np.allclose(srgb_from_linear(linear_from_lab(lab_from_srgb(srgb))), srgb, atol=2e-3)


def test_lab_of_known_colours():
    assert np.allclose(lab_from_srgb(np.array([1, 1, 1], np.float32)), [100, 0, 0], atol=0.05)
    assert np.allclose(lab_from_srgb(np.array([1, 0, 0], np.float32)), [53.24, 80.09, 67.20], atol=0.1)


def test_ita_bands():
    assert individual_typology_angle(np.array([70.0, 5, 20], np.float32)) == pytest.approx(45, abs=1e-3)
    assert [type_from_ita(v) for v in (60, 50, 30, 20, 0, -40, -90)] == [1, 2, 3, 4, 5, 6, 6]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2.0", (2, "12")),
        (4, (4, "34")),
        ("VI", (6, "56")),
        ("FST5", (5, "56")),
        ("12", (None, "12")),
        ("\u2163", (4, "34")),  # the numeral as one character
        ("\u00a0V\u00a0", (5, "56")),  # blanks that do not break
        ("\u2160\u2013\u2161", (None, "12")),
        ("not\u00a0reported", (None, None)),
        ("-1", (None, None)),
        ("", (None, None)),
        (float("nan"), (None, None)),
    ],
)
def test_skin_type_cells(raw, expected):
    assert parse_skin_type(raw) == expected


@pytest.mark.parametrize("raw", ["7", "2.5", "dark", "1e9"])
def test_skin_type_refuses(raw):
    with pytest.raises(ValueError, match="is not 1-6"):
        parse_skin_type(raw)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))))
def test_groups_are_connected_components(pairs):
    ids = [f"{i:02d}" for i in range(21)]
    groups = merge_groups(ids, [(ids[a], ids[b]) for a, b in pairs])
    assert all(groups[ids[a]] == groups[ids[b]] for a, b in pairs)
    assert all(groups[name] <= name and groups[groups[name]] == groups[name] for name in ids)


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


def test_text_goes_into_a_png_without_touching_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    plain = png_bytes(pixels)
    image = Image.open(io.BytesIO(with_text(plain, {"prompt": "Haut, très foncée", "seed": "1"})))
    assert image.info == {"prompt": "Haut, très foncée", "seed": "1"}
    assert np.array_equal(np.asarray(image), pixels)


def test_a_second_writer_of_a_folder_is_turned_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_folder(Path("out")) as first:
        (first / "a").write_text("1")
        with pytest.raises(BusyError, match=r"out .*another process"), atomic_folder(Path("out")):
            pass
    assert (tmp_path / "out/a").read_text() == "1"
    with atomic_folder(Path("out")) as again:
        (again / "b").write_text("2")
    assert [f.name for f in Path("out").iterdir()] == ["b"]


def test_a_full_disk_names_the_output_and_leaves_the_old_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_file(Path("m.json")) as first:
        first.write_text("old")

    def full(_fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(OutputError, match=r"m\.json can't be written: No space left"),
        atomic_file(Path("m.json")) as new,
    ):
        new.write_text("new")
    assert [f.read_text() for f in tmp_path.iterdir()] == ["old"]
    with pytest.raises(FileNotFoundError), atomic_folder(Path("out")):
        Path("input that is not there").read_text()


def _table(tmp_path, text, encoding="utf-8"):
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    return Mapped(
        csv=tmp_path / "t.csv",
        images=tmp_path,
        masks=tmp_path,
        file="{file}",
        mask="",
        image_id="file",
        condition="label",
        skin_type="type",
        patient_id="patient",
        lesion_id="",
        attributes=(),
    )


def test_dirty_table_is_read_and_counted(tmp_path):
    text = "file,label,type,patient\na.png,Psoriasis,2.0,p1\na.png,Psoriasis,2.0,p1\nb.png,,-1,p1\nc.png,acne,,p2\n"
    source = read_mapped(_table(tmp_path, text, "utf-8-sig"), D)
    counted = {"rows": 4, "duplicate_rows": 1, "skin_type_unknown": 2, "label_blank": 1}
    others = ("lesion_ids_of_several_patients", "files_without_row", "files_by_another_spelling", "masks_found")
    assert source.report == counted | dict.fromkeys(others, 0)
    assert list(source.table["image_id"]) == ["a", "b", "c"]
    assert list(source.table["condition"]) == ["psoriasis", "unlabelled", "acne"]
    assert source.table["fitzpatrick_scale"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("file,label,type\na.png,x,1\n", "no column 'patient'"),
        ("file,label,type,patient\na.png,x,1,p\na.png,y,1,p\n", "different things"),
        ("file,label,type,patient\na.png,x,9,p\n", "row 2, column type"),
        ("file,label,type,patient\n../a.png,x,1,p\n", "does not stay inside"),
        ("file,label,type,patient\n/etc/passwd,x,1,p\n", "does not stay inside"),
        ("file,label,type,patient\na.png,x,1,p\nA.png,x,1,p\n", "differ in case alone"),
        ("", "is empty"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, match):
    with pytest.raises(DataError, match=match):
        read_mapped(_table(tmp_path, text), D)


LESIONS = {  # patient and lesion of five images, and which of them show one lesion
    "numbered within patients": ("p1,1 p1,1 p2,1 p2,2 p3,1", [{0, 1}]),
    "numbered through": ("p1,1 p1,1 p2,2 p2,3 ,1", [{0, 1, 4}]),
    "within patients, some unknown": ("p1,1 p2,1 ,1 ,1 p2,", [{2, 3}]),
    "names that would run together": ("p,1/2 p/1,2 p,2 p,1 q,2", []),
}


@pytest.mark.parametrize("name", LESIONS)
def test_a_lesion_is_its_patients(tmp_path, name):
    rows, together = LESIONS[name]
    text = "file,label,type,patient,lesion\n" + "".join(f"{i}.png,x,1,{row}\n" for i, row in enumerate(rows.split(" ")))
    source = read_mapped(_table(tmp_path, text).model_copy(update={"lesion_id": "lesion"}), D)
    lesions = source.table["lesion_id"]
    assert [set(ids.index) for key, ids in lesions.groupby(lesions) if key and len(ids) > 1] == together
    shared = {"numbered within patients": 1, "names that would run together": 1, "within patients, some unknown": 1}
    assert source.report.get("lesion_ids_of_several_patients") == shared.get(name, 0)


def test_paths_never_leave_the_root(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    for name in ("../x", "a/../../x", "/x", "a\0b", "..\\x", "C:\\x", "", "link/x"):
        with pytest.raises(DataError):
            safe_path(tmp_path / "in", name)
    assert safe_path(tmp_path / "in", "a/b.png") == tmp_path / "in" / "a" / "b.png"


def test_missing_and_damaged_images_stay_rows(tmp_path):
    from pipeline_steps.ingest import ingest

    _gradient().save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no")
    text = "file,label,type,patient\ngood.png,x,1,p\nbad.png,x,6,q\ngone.png,x,,r\n"
    out = tmp_path / "out"
    out.mkdir()
    report = ingest(read_mapped(_table(tmp_path, text), D), 16, out)
    manifest = pd.read_parquet(out / "manifest.parquet")
    assert report["images"] == {"present": 1, "missing": 1, "quarantined": 1}
    assert list(manifest["image_status"]) == ["present", "quarantined", "missing"]
    assert report["quarantine_reasons"] == {"not an image": 1}
    assert report.get("missing_by_skin_type") == {"unknown": 1}
    assert report.get("quarantined_by_skin_type") == {"not an image": {"6": 1}}
    assert np.load(out / "pixels.npy").shape == (1, 16, 16, 3)


def test_a_models_digest_is_that_of_its_weights_and_configuration_alone(tmp_path):
    """How it came about may be told anew without making it another model: what it made before is not made again."""
    (tmp_path / "unet").mkdir()
    for name in ("config.json", "unet/model.safetensors", "unet/config.json", "provenance.json", "training.json"):
        (tmp_path / name).write_text("{}")
    before = weights_digest(tmp_path)
    for name in ("provenance.json", "training.json"):
        (tmp_path / name).write_text('{"note": "told anew"}')
        assert weights_digest(tmp_path) == before, name
    (tmp_path / "training.json").unlink()
    assert weights_digest(tmp_path) == before
    for name in ("config.json", "unet/model.safetensors", "unet/config.json"):
        (tmp_path / name).write_text('{"rank": 2}')
        assert weights_digest(tmp_path) != before, name
        (tmp_path / name).write_text("{}")

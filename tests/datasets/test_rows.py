"""A table's rows as records: read, counted, refused; no path leaves its folder."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline_steps.datasets.table import Decoding, Mapped, read_mapped
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.manifest import open_dataset, safe_path
from pipeline_steps.stage.errors import DataError

D = Decoding(16, "center_crop", 1_000_000)


def _photo(path, image, **options):
    image.save(path, **options)
    return path


def _gradient(mode="RGB", size=(32, 24)):
    x = np.linspace(0, 255, size[0])[None, :, None] * np.ones((size[1], 1, 3))
    return Image.fromarray(x.astype(np.uint8)).convert(mode)


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
        skin_scale="fitzpatrick",
        skin_assigner="",
        patient_id="patient",
        lesion_id="",
        attributes=(),
    )


def test_dirty_table_is_read_and_counted(tmp_path):
    text = "file,label,type,patient\na.png,Psoriasis,2.0,p1\na.png,Psoriasis,2.0,p1\nb.png,,-1,p1\nc.png,acne,,p2\n"
    source = read_mapped(_table(tmp_path, text, "utf-8-sig"), D)
    counted = {"rows": 4, "duplicate_rows": 1, "skin_type_unknown": 2, "label_blank": 1}
    others = ("images_without_patient_or_lesion", "lesion_ids_of_several_patients", "files_without_row")
    others += ("files_by_another_spelling", "masks_found")
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
    report = ingest(read_mapped(_table(tmp_path, text), D), out, ItemStore(tmp_path / "items"))
    manifest = pd.read_parquet(out / "manifest.parquet")
    assert report["images"] == {"present": 1, "missing": 1, "quarantined": 1}
    assert list(manifest["image_status"]) == ["present", "quarantined", "missing"]
    assert report["quarantine_reasons"] == {"not an image": 1}
    assert report.get("missing_by_skin_type") == {"unknown": 1}
    assert report.get("quarantined_by_skin_type") == {"not an image": {"6": 1}}
    assert open_dataset(out).images(["good"])[:].shape == (1, 16, 16, 3)

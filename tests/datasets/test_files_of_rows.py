"""A table's rows and the files that they name: found by their names, or told apart before any is opened."""

import unicodedata

import pandas as pd
import pytest
from conftest import ROOT
from mapped_tables import NFD, TABLE, D, image_set, mapped_table

from pipeline_steps.datasets.files import image_ids
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.datasets.table import read_mapped
from pipeline_steps.ingest import read_source
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import read_yaml


def test_files_are_found_by_the_other_form_and_case_of_their_name(tmp_path):
    text = "file,label,type\né 1.png,x,1\nsub/B (2).PNG,x,1\nc.png,x,1\n"
    names = [unicodedata.normalize("NFD", "é 1.png"), "sub/b (2).png", "other.png"]
    source = read_mapped(mapped_table(image_set(tmp_path, text, *names)), D)
    assert source.load(0).pixels.shape == source.load(1).pixels.shape == (16, 16, 3)
    with pytest.raises(FileNotFoundError):
        source.load(2)
    assert (source.report["files_by_another_spelling"], source.report["files_without_row"]) == (2, 1)


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        ([], "there is no such folder"),
        (["deep/a.png", "deep/b.png"], "'deep/a.png' is: set images"),
        (["a.jpg", "b.jpg"], "ending .jpg"),
        (["zz1.png"], "holds 1 files such as 'zz1.png'"),
    ],
)
def test_a_wrong_image_folder_is_told_before_anything_is_decoded(tmp_path, names, cause):
    text = TABLE.replace(".png", "") if names == ["a.jpg", "b.jpg"] else TABLE
    params = _params(mapped_table(image_set(tmp_path, text, *names)))
    with pytest.raises(DataError, match=f"none of the 2 images.*{cause}.*without_images"):
        read_source(params)
    alone = read_source(params.model_copy(update={"without_images": True}))
    with pytest.raises(FileNotFoundError):
        alone.load(0)


@pytest.mark.parametrize(
    ("pattern", "instead"), [("{file}.png", "{file}"), ("{stem}.png.png", "{stem}.png"), ("{file}.PNG", "{file}")]
)
def test_an_ending_that_the_table_has_already_is_told(tmp_path, pattern, instead):
    params = _params(mapped_table(image_set(tmp_path, TABLE, "a.png", "b.png"), file=pattern))
    said = f"but 'a.png' is: the table's names have their ending already, so set file .* to '{instead}' in place"
    with pytest.raises(DataError, match=said):
        read_source(params)
    assert read_source(_params(mapped_table(tmp_path, file=instead))).lacking == ""


def _params(mapped):
    ingest = read_yaml(ROOT / "params.yaml")["ingest"] | {"adapter": "folder"}
    ingest["sources"] = ingest["sources"] | {"folder": ingest["sources"]["folder"] | mapped.model_dump(mode="json")}
    return IngestParams.model_validate(ingest)


def test_a_named_mask_pattern_must_find_masks(tmp_path):
    params = _params(mapped_table(image_set(tmp_path, TABLE, "a.png"), mask="{stem}_m.png"))
    with pytest.raises(DataError, match=r"no image has a mask.*stem.*set mask"):
        read_source(params)


def test_a_mask_beside_its_photograph_is_no_picture_without_a_row(tmp_path):
    folder = image_set(tmp_path, TABLE, "a.png", "b.png", "a_mask.png", "stray.png")
    mapped = mapped_table(folder, mask="{stem}_mask.png", masks=folder / "images")
    assert read_mapped(mapped, D).report["files_without_row"] == 1


def test_a_name_is_one_name_in_both_forms_of_unicode(tmp_path):
    """A label typed on two systems was two conditions, and one patient's photographs lay on both sides of a split."""
    text = f"file,label,type,patient,lesion\na.png,né,1,né,né\nb.png,{NFD},1,{NFD},{NFD}\n"
    table = read_mapped(mapped_table(image_set(tmp_path, text), patient_id="patient", lesion_id="lesion"), D).table
    assert [table[c].nunique() for c in ("condition", "patient_id", "lesion_id")] == [1, 1, 1]


@pytest.mark.parametrize(
    "names",
    [
        ["a.jpg", "a.png", "a.jpg.png"],
        ["x y", image_ids(pd.Series(["x y"]))[0]],
        ["x y.jpg", "x y.png", "x y.jpg.png"],
    ],
)
def test_no_two_images_share_an_id_whatever_they_are_called(names):
    assert len(set(image_ids(pd.Series(names)))) == len(names)


def test_rows_that_name_one_file_are_refused_before_anything_is_decoded(tmp_path):
    text = f"file,label,type\n{NFD}.png,x,1\nb.png,x,1\nné.png,y,1\n"
    with pytest.raises(DataError, match=r"row 2 and row 4: rows with one file say different things"):
        read_mapped(mapped_table(image_set(tmp_path, text)), D)


@pytest.mark.parametrize("word", ["", "NaN", "N/A"])
def test_a_row_whose_mask_is_unknown_has_none(tmp_path, word):
    text = f"file,label,type,mask\na.png,x,1,m.png\nb.png,x,1,{word}\n"
    folder = image_set(tmp_path, text, "a.png", "b.png", "m.png")
    (folder / "images").rename(folder / "masks")
    mapped = mapped_table(image_set(tmp_path, text, "a.png", "b.png"), mask="{mask}")
    source = read_mapped(mapped, D)
    assert source.report["masks_found"] == 1
    assert source.load(1).mask is None


def test_a_row_whose_file_is_unknown_counts_as_missing(tmp_path):
    text = "id,file,label,type\n1,a.png,x,1\n2,,x,1\n"
    source = read_mapped(mapped_table(image_set(tmp_path, text, "a.png"), image_id="id"), D)
    assert source.load(0).pixels.shape == (16, 16, 3)
    with pytest.raises(FileNotFoundError):
        source.load(1)

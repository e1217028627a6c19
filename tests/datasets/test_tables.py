"""Tables as people have them: read as text, or refused with the row; compared with their files before any is opened."""

import re
import subprocess
import sys
import unicodedata

import pandas as pd
import pytest
from conftest import ROOT
from mapped_tables import NFD, TABLE, D, image_set, mapped_table

from benchmarks import fuzz_tables
from pipeline_steps.audit import missing_facts
from pipeline_steps.datasets.data_set import KINDS
from pipeline_steps.datasets.files import image_ids
from pipeline_steps.datasets.fitzpatrick17k import FITZPATRICK17K, Fitzpatrick17k
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.datasets.table import read_mapped
from pipeline_steps.download import download
from pipeline_steps.generation.synthetic import read_metadata
from pipeline_steps.ingest import _require_images
from pipeline_steps.records.manifest import UNLABELLED
from pipeline_steps.records.skin_types import parse_skin_type
from pipeline_steps.records.text_tables import read_text_table
from pipeline_steps.records.unknown import UNKNOWN_WORDS
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import read_yaml


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_is_read_whatever_program_wrote_it(tmp_path, delimiter, end, code):
    rows = [["file", "label", "type"], ["a.png", '"nevus, naïf; à | side"', "01"], ["b.png", "NA", "1.0"]]
    text = end.join(delimiter.join(row) for row in rows) + end
    table = read_text_table(image_set(tmp_path, text.encode(code)) / "t.csv")
    assert table.to_dict("records") == [
        {"file": "a.png", "label": "nevus, naïf; à | side", "type": "01"},
        {"file": "b.png", "label": "NA", "type": "1.0"},
    ]


def test_trailing_delimiters_shift_no_column(tmp_path):
    """pandas takes the first column for an index where rows have one cell more than the header."""
    expected = read_text_table(image_set(tmp_path, TABLE) / "t.csv")
    rows = TABLE.replace("1\n", "1,\n").replace("6\n", "6,\n")
    for text in (rows, TABLE.replace("\n", ",\n"), TABLE.replace("\n", ",,,\n"), TABLE + ",,\n\n"):
        assert read_text_table(image_set(tmp_path, text) / "t.csv").equals(expected)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"file,label,type\n", "has a header and no rows"),
        (b"file,label,type\na,x,1\nb,y\n", "line 3 has 2"),
        (b"file,label,type\na,x,1\nb,y,2,3\n", "line 3 has 4"),
        (b"file,label,label\na,x,1\n", "two columns called label"),
        (b'file,label,type\na,"x,1\nb,y,2\n', "quote that is not closed"),
        ("file,label,type\na,Ödem,1\n".encode("cp1252"), r"line 2: byte 0xd6 is not UTF-8.*CSV UTF-8"),
        (b"file,label,type\na,x\0,1\n", "line 2: holds NUL"),
        (b"PK\x03\x04rest", "Excel workbook"),
    ],
)
def test_what_is_no_table_is_refused_with_the_row(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        read_text_table(image_set(tmp_path, content) / "t.csv")


@pytest.mark.parametrize("labels", [("True", "False"), ("1", "0"), ("1.0", "2e3"), ("NA", "2020-01-01")])
def test_metadata_of_generated_images_is_text_where_it_is_text(tmp_path, labels):
    """Labels that looked like truths or numbers came back as such, and no prediction was right."""
    rows = {
        "file_name": ["a.png", "b.png"], "condition": labels, "source_id": ["007", "8e1"], "source_level": 1,
        "target_level": 5, "copy": 0, "seed": 2**62 + 1, "prompt": ["", "x"], "is_synthetic": True,
        "starts_from_source": [True, False],
    }  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "metadata.csv", index=False)
    read = read_metadata(tmp_path)
    assert tuple(read["condition"]) == labels
    assert tuple(read["source_id"]) == ("007", "8e1")
    assert (read["seed"] == 2**62 + 1).all()
    assert list(read["starts_from_source"]) == [True, False]


@pytest.mark.parametrize("word", sorted({*UNKNOWN_WORDS, "NaN", "N/A", "Unknown", "NONE_IDENTIFIED"} - {""}))
def test_one_list_of_words_says_unknown_everywhere(tmp_path, word):
    """Ids written NaN joined strangers into one patient."""
    text = f"file,label,type,patient,lesion,itch\na.png,{word},{word},{word},{word},{word}\nb.png,x,1,p,q,yes\n"
    mapped = mapped_table(image_set(tmp_path, text), patient_id="patient", lesion_id="lesion", attributes=("itch",))
    table = read_mapped(mapped, D).table
    assert table.loc[0, ["condition", "patient_id", "lesion_id", "skin_value"]].tolist() == [UNLABELLED, "", "", ""]
    facts = missing_facts(table.assign(image_status="present", has_mask=False))
    assert facts.loc[0, ["skin_type", "patient_id", "lesion_id", "attribute itch"]].all()
    assert not facts.loc[1, ["skin_type", "patient_id", "lesion_id", "attribute itch"]].any()


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        ("3", (3, "34")), ("3.0", (3, "34")), ("III", (3, "34")), ("FST3", (3, "34")), ("FST 3", (3, "34")),
        ("type iii", (3, "34")), ("iii darker white skin", (3, "34")), ("vi dark brown or black skin", (6, "56")),
        ("v brown skin", (5, "56")), ("i pale white skin", (1, "12")), ("Fitzpatrick IV", (4, "34")),
        ("12", (None, "12")), ("56.0", (None, "56")), ("I-II", (None, "12")), ("3/4", (None, "34")),
        ("0", (None, None)), ("-1", (None, None)), ("NONE_SELECTED", (None, None)),
    ],
)  # fmt: skip
def test_skin_types_as_data_sets_write_them(raw, meant):
    assert parse_skin_type(raw) == meant


@pytest.mark.parametrize("raw", ["7", "1.5", "brown", "MST 4", "monk 3", "2-3", "I-VI", "i do not know", "123", "viii"])
def test_what_is_no_fitzpatrick_type_is_refused(raw):
    with pytest.raises(ValueError, match="skin type"):
        parse_skin_type(raw)


def test_ids_become_plain_and_none_shares_another():
    ids = [
        "a b.jpg",
        "a_b.jpg",
        "x/y.png",
        "x_y.png",
        "(1).png",
        "[1].png",
        "plain",
        "é.jpg",
        "q.jpg",
        "q.png",
        "l" * 300,
    ]
    made = image_ids(pd.Series(ids))
    assert len(set(made)) == len(ids)
    assert all(pd.Series(made).str.fullmatch(r"[\w.\-]{1,128}"))
    assert made[1] == "a_b"
    assert made[6] == "plain"
    assert image_ids(pd.Series([unicodedata.normalize("NFD", "é")])) == ["é"]


def test_images_none_of_which_can_be_used_stop():
    with pytest.raises(DataError, match=r"none of 3 images can be used: not an image \(2\); empty file \(1\)"):
        _require_images(
            {
                "images": {"present": 0, "missing": 1, "quarantined": 3},
                "quarantine_reasons": {"empty file": 1, "not an image": 2},
            }
        )


def test_a_set_without_skin_types_is_of_unknown_types(tmp_path, capsys):
    """HAM10000 has no such column."""
    source = read_mapped(mapped_table(image_set(tmp_path, TABLE), skin_type=""), D)
    assert source.table["fitzpatrick_scale"].isna().all()
    assert source.report["skin_type_unknown"] == 2
    assert "the type of all 2 images is unknown" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"file": "{image}.jpg"}, "no column 'image' of file '{image}.jpg'; it has file, label, type, stem"),
        ({"skin_type": "Type"}, "no column 'Type'; it has file, label, type; did you mean 'type'"),
        ({"condition": "lable"}, "did you mean 'label'"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path, changed, said):
    with pytest.raises(DataError) as error:
        read_mapped(mapped_table(image_set(tmp_path, TABLE), **changed), D)
    assert said in str(error.value)


def test_what_ingest_depends_on_follows_from_its_adapter():
    """It named the phantom whatever was read: a withdrawn photograph stayed in the study."""
    ingest = read_yaml(ROOT / "params.yaml")["ingest"]
    reads = {
        adapter: IngestParams.model_validate(ingest | {"adapter": adapter}).reads()
        for adapter in ("phantom", "folder", "fitzpatrick17k", "pad_ufes_20")
    }
    assert reads["phantom"]["table"] == "pipeline_steps/datasets/phantom"
    assert reads["folder"] == {
        "table": "my_images/labels.csv", "images": "my_images", "masks": "models/none", "annotations": "models/none",
    }  # fmt: skip
    assert reads["pad_ufes_20"]["table"] == ingest["sources"]["pad_ufes_20"]["folder"]
    assert reads["fitzpatrick17k"]["images"] == ingest["sources"]["fitzpatrick17k"]["images"]
    stage = read_yaml(ROOT / "dvc.yaml")["stages"]["ingest"]
    watched = [f"${{cells.ingest.reads.{kind}}}" for kind in KINDS]
    assert [dep for dep in stage["deps"] if dep.startswith("${")] == watched
    assert re.findall(r"\$\{.*?\}", stage["cmd"]) == watched


def test_ingest_refuses_what_dvc_does_not_watch(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    command = [sys.executable, "-m", "pipeline_steps.ingest", "--out", "o", "--metrics", "m.json", "--reads"]
    ran = subprocess.run(
        [*command, *["models/none"] * 4],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"},
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith("run 'python -m pipeline_steps.configure --cells'")
    assert not (tmp_path / "o").exists()


def test_a_column_is_found_by_its_name_in_unicodes_other_form(tmp_path):
    text = TABLE.replace("label", NFD)
    assert list(read_mapped(mapped_table(image_set(tmp_path, text), condition="né"), D).table["condition"]) == [
        "x",
        "y",
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [("b.png,x,9", "row 6, column type"), ("../b.png,x,1", "row 6: file name"), (",x,1", "row 6, column file")],
)
def test_an_error_names_the_row_that_a_spreadsheet_shows(tmp_path, row, said):
    """A repeated row, a blank one and a cell of two lines come before."""
    text = f'file,label,type\na.png,x,1\na.png,x,1\n\nc.png,"two\nlines",1\n{row}\n'
    with pytest.raises(DataError, match=said):
        read_mapped(mapped_table(image_set(tmp_path, text)), D)


def test_tables_of_fitzpatrick17k_without_a_column_are_refused(tmp_path):
    """Wrong tables ended in a KeyError."""
    table = image_set(tmp_path, "md5hash,label,fitzpatrick_scale\na,x,1\n") / "t.csv"
    settings = {"skincon": None, "check_md5": False, "skin_type": "fitzpatrick_scale", "attributes": ()}
    params = Fitzpatrick17k(csv=table, images=tmp_path, **settings)
    for call in (lambda: FITZPATRICK17K.read(params, D), lambda: download(table, tmp_path, set())):
        with pytest.raises(DataError, match="no column 'url'; it has md5hash, label"):
            call()


@pytest.mark.slow
def test_no_table_ends_in_a_traceback():
    found = fuzz_tables.run(1500, 0)
    assert found["tracebacks"] == {}
    assert found["read"] > 150

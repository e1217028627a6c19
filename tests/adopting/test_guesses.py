"""What a column is told by, and when nothing is guessed."""

import pandas as pd
import pytest
from own_photographs import photographs, table_of

from pipeline_steps.adopting.pictures import look_into
from pipeline_steps.adopting.roles import attributes, guess, skin_type_of
from pipeline_steps.adopting.tables import read_table
from pipeline_steps.adopting.words import plain_name, rank
from pipeline_steps.stage.errors import DataError

HEADERS = {  # as the published sets, and people in four languages, call them
    "HAM10000": {"image_id": "file", "dx": "condition", "lesion_id": "lesion"},
    "PAD-UFES-20": {"img_id": "file", "diagnostic": "condition", "fitspatrick": "skin type", "patient_id": "patient"},
    "Fitzpatrick17k": {"md5hash": "file", "label": "condition", "fitzpatrick_scale": "skin type"},
    "German": {"Datei": "file", "Diagnose": "condition", "Hauttyp": "skin type", "Patienten-Nr.": "patient"},
    "Spanish": {"archivo": "file", "diagnóstico": "condition", "fototipo": "skin type", "Paciente": "patient"},
    "French": {"fichier": "file", "maladie": "condition", "type de peau": "skin type", "PatientID": "patient"},
}
CELLS = {"file": "a{}", "condition": "eczema {}", "skin type": "{}", "patient": "p{}", "lesion": "l{}"}


def _guess(tmp_path, columns, said=None):
    photographs(tmp_path, [f"a{i}.jpg" for i in (1, 2, 3)])
    return guess(pd.DataFrame(columns, dtype=object), look_into(tmp_path), said or {})


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_columns_are_told_by_what_they_are_called(tmp_path, header):
    cells = {name: [CELLS[role].format(i) for i in (1, 2, 3)] for name, role in header.items()}
    found = _guess(tmp_path, {**cells, "dx_type": ["a", "b", "c"], "three_partition_label": ["x", "y", "z"]})
    assert {g.column: role for role, g in found.items() if g.column} == header


def test_the_file_is_told_by_its_values_whatever_it_is_called(tmp_path):
    found = _guess(tmp_path, {"x": ["A1.JPG", "sub/a2.jpg", "a3"], "label": ["acne", "wart", "acne"]})
    assert (found["file"].column, found["file"].reason) == ("x", "its cells name 3 of 3 pictures")


def test_values_tell_the_condition_and_the_skin_type_where_no_name_does(tmp_path):
    columns = {"x": ["a1", "a2", "a3"], "y": ["Basaliom", "nv", "psoriasis"], "z": ["IV", "", "I"], "n": list("123")}
    found = _guess(tmp_path, columns)
    assert (found["condition"].column, found["skin type"].column) == ("y", "z")


def test_numbers_from_1_to_6_are_no_skin_type_unless_they_are_called_so(tmp_path):
    found = _guess(tmp_path, {"x": ["a1", "a2", "a3"], "label": ["acne", "wart", "acne"], "score": list("146")})
    assert not found["skin type"].column


def test_monks_scale_is_not_taken_for_fitzpatricks(tmp_path):
    columns = {"x": ["a1", "a2", "a3"], "label": ["acne", "wart", "acne"], "fitzpatrick_monk": list("123")}
    assert not _guess(tmp_path, columns)["skin type"].column


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"diagnosis_1": ["acne", "wart", "x y"], "diagnosis_2": ["a b", "c d", "e f"]}, "--condition diagnosis_1"),
        ({"label": ["acne", "wart", "acne"], "b": ["a2", "a3", "a1"]}, "--file"),
        ({"colour": ["red", "blue", "red"]}, "--condition"),
    ],
    ids=["two conditions", "two files", "no condition"],
)
def test_what_may_be_several_columns_is_asked_and_not_guessed(tmp_path, columns, said):
    with pytest.raises(DataError, match=said):
        _guess(tmp_path, {"x": ["a1", "a2", "a3"], **columns})


def test_what_people_say_goes_before_every_guess(tmp_path):
    columns = {"x": ["a1", "a2", "a3"], "label": ["acne", "wart", "acne"], "other": ["c", "d", "e"]}
    found = _guess(tmp_path, columns, {"condition": "other", "skin type": "none"})
    assert (found["condition"].column, found["skin type"].column) == ("other", "")
    with pytest.raises(DataError, match="--condition lable: there is no such column; there are x, label, other"):
        _guess(tmp_path, columns, {"condition": "lable"})


def test_attributes_are_those_of_known_names_or_those_that_are_named(tmp_path):
    columns = {"x": ["a1", "a2", "a3"], "label": ["acne", "wart", "acne"], "Geschlecht": list("mwm"), "q": list("123")}
    cells, roles = pd.DataFrame(columns, dtype=object), _guess(tmp_path, columns)
    assert attributes(cells, roles, []) == ["Geschlecht"]
    assert attributes(cells, roles, ["q"]) == ["q"]


@pytest.mark.parametrize(
    ("cell", "level"), [("Typ III", "3"), ("Hauttyp 2", "2"), ("fototipo V", "5"), ("I-II", "12"), ("", "")]
)
def test_a_skin_type_is_read_in_other_languages_too(cell, level):
    assert skin_type_of(cell) == level


def test_names_are_compared_without_case_accents_and_signs():
    assert {plain_name(n) for n in ("PatientID", "Patient-Id", "patient id", "PATIENT_ID")} == {"patient_id"}
    assert rank("Läsion", "lesion") == 0
    assert rank("diagnosis_date", "condition") is None


@pytest.mark.parametrize("kind", ["semicolons", "windows", "tsv", "xlsx", "parquet"])
def test_one_table_says_the_same_in_every_kind_of_file(tmp_path, kind):
    rows = [{"Datei": "ä1.jpg", "Körper": "Rücken", "n": "3"}, {"Datei": "a2.jpg", "Körper": "", "n": "007"}]
    table = read_table(table_of(rows, tmp_path, kind), "")
    assert table.cells.to_dict("records") == rows
    assert table.as_it_is == (kind in {"semicolons", "tsv"})
    assert bool(table.notes) == (kind == "windows")


def test_a_sheet_is_named_where_several_have_rows(tmp_path):
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        for name in ("one", "two"):
            pd.DataFrame({"a": [1], "b": [2]}).to_excel(book, sheet_name=name, index=False)
    with pytest.raises(DataError, match=r"2 sheets with rows \(one, two\): name one by --sheet"):
        read_table(tmp_path / "t.xlsx", "")
    assert read_table(tmp_path / "t.xlsx", "two").place.endswith("sheet two")

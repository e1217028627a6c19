"""From a folder to a profile that ingest reads: nothing of the folder is changed, and nothing is lost on the way."""

import shutil
import sys

import pandas as pd
import pytest
from conftest import ROOT
from own_photographs import photographs, practice, workspace

from pipeline_steps import adopt
from pipeline_steps.adopting.codes import is_code, named, parsed
from pipeline_steps.adopting.study import choose, counts
from pipeline_steps.configuration.profiles import made
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.ingest import read_source
from pipeline_steps.records.populations import SKIN_TYPE
from pipeline_steps.stage.errors import DataError


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(workspace(tmp_path / "project", ROOT))
    return tmp_path / "Fotos"


def _adopt(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["adopt", *map(str, arguments)])
    adopt.main()


def _ingested(name):
    return read_source(IngestParams.model_validate(made(name).params["ingest"]))


@pytest.mark.parametrize("kind", ["windows", "semicolons", "xlsx", "parquet"])
def test_a_practices_folder_becomes_a_profile_that_ingest_reads(place, monkeypatch, capsys, kind):
    practice(place, kind=kind)
    before = {f: f.stat().st_mtime_ns for f in place.rglob("*")}
    _adopt(monkeypatch, place, "--codes", "pso=psoriasis", "--assigned-by", "clinician")
    said = capsys.readouterr().out
    assert "condition  Diagnose" in said
    assert "next: ./run python -m pipeline_steps.configure fotos" in said
    source = _ingested("fotos")
    assert source.table["condition"].value_counts().to_dict() == {
        "basal cell carcinoma": 32, "nevus": 32, "psoriasis": 32,
    }  # fmt: skip
    assert source.table["fitzpatrick_scale"].isna().sum() == 12
    assert source.table["patient_id"].nunique() == 48
    assert all(source.load.files)
    assert {f: f.stat().st_mtime_ns for f in place.rglob("*")} == before


def test_a_plain_table_is_read_where_it_lies_and_the_profile_is_short(place, monkeypatch, capsys):
    path = practice(place, kind="semicolons")
    path.write_text(path.read_text().replace("BCC", "eczema").replace("NEV", "nevus").replace("PSO", "psoriasis"))
    _adopt(monkeypatch, place)
    assert not (place.parent / "project/adopted").exists()
    assert str(path) in (place.parent / "project/config/profiles/fotos.yaml").read_text()
    assert len((place.parent / "project/config/profiles/fotos.yaml").read_text().splitlines()) <= 12
    assert all(_ingested("fotos").load.files)


def test_a_profile_is_never_overwritten_unasked(place, monkeypatch):
    practice(place)
    _adopt(monkeypatch, place, "--codes", "pso=psoriasis")
    with pytest.raises(SystemExit, match="is there already: give another --name, or --replace"):
        _adopt(monkeypatch, place, "--codes", "pso=psoriasis")
    _adopt(monkeypatch, place, "--codes", "pso=psoriasis", "--replace")


def test_an_unknown_code_is_asked_for_with_the_flag_to_give(place, monkeypatch):
    practice(place)
    with pytest.raises(SystemExit, match=r"'pso' are codes.*--codes 'pso=NAME'"):
        _adopt(monkeypatch, place)


def test_class_folders_get_a_table_to_fill_in_which_is_then_read(place, monkeypatch, capsys):
    photographs(place, [f"{c}/{i}.jpg" for c in ("acne", "psoriasis") for i in range(20)])
    with pytest.raises(SystemExit, match="fill in the column skin_type"):
        _adopt(monkeypatch, place)
    table = pd.read_csv("adopted/fotos.csv", dtype=str, keep_default_na=False)
    assert set(table["label"]) == {"acne", "psoriasis"}
    table.assign(skin_type=["I", "VI"] * 20).to_csv("adopted/fotos.csv", index=False)
    with pytest.raises(SystemExit, match="fill in the column skin_type"):
        _adopt(monkeypatch, place, "--replace")  # the filled table is not written anew
    _adopt(monkeypatch, place, "--table", "adopted/fotos.csv", "--replace")
    assert _ingested("fotos").table["fitzpatrick_scale"].value_counts().to_dict() == {1: 20, 6: 20}


def test_pictures_of_one_name_in_several_folders_stay_apart(place, monkeypatch, capsys):
    photographs(place, [f"{t}/{c}/{i}.jpg" for t in ("I", "VI") for c in ("acne", "wart") for i in range(6)])
    _adopt(monkeypatch, place)
    source = _ingested("fotos")
    assert source.table["image_id"].nunique() == 24
    assert all(source.load.files)


def test_masks_lie_beside_their_photographs_and_are_none_themselves(place, monkeypatch, capsys):
    path = practice(place, kind="semicolons")
    for i in range(10):
        (place / "Masken").mkdir(exist_ok=True)
        shutil.copy(place / f"Bilder/IMG_{i}.jpg", place / f"Masken/IMG_{i}.jpg")
    assert path.exists()
    _adopt(monkeypatch, place, "--codes", "pso=psoriasis")
    assert "96 pictures, 10 masks" in capsys.readouterr().out
    assert sum(name is not None for name in _ingested("fotos").load.masks) == 10


@pytest.mark.parametrize("like", ["toy", "phantom_full"])
def test_another_profiles_scale_is_taken_and_its_data_are_not(place, monkeypatch, capsys, like):
    practice(place)
    _adopt(monkeypatch, place, "--codes", "pso=psoriasis", "--like", like)
    params, theirs = made("fotos").params, made(like).params
    assert params["ingest"]["adapter"] == "folder"
    assert params["classifier"] == theirs["classifier"]
    assert params["subset"]["conditions"] == ["basal cell carcinoma", "nevus", "psoriasis"]


def test_people_may_be_divided_by_another_column(place, monkeypatch, capsys):
    practice(place)
    _adopt(monkeypatch, place, "--codes", "pso=psoriasis", "--divide", "Geschlecht")
    population = made("fotos").params["population"]
    assert (population["column"], set(population["levels"])) == ("Geschlecht", {"w", "m"})
    assert made("fotos").params["inversions"]["tokens"]["levels"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda t: t.replace("IMG_5.jpg", "IMG_4.jpg", 1).replace("P2;", "P9;", 1),
            "both name Bilder/IMG_4.jpg and differ",
        ),
        (lambda t: t.replace(";VI;", ";VII;", 1), r"column Hauttyp: 'VII' \(1\) is no Fitzpatrick type|--skin-type"),
    ],
    ids=["two rows", "no skin type"],
)
def test_what_contradicts_itself_is_refused_with_its_place(place, monkeypatch, change, said):
    path = practice(place, kind="semicolons")
    path.write_text(change(path.read_text()))
    with pytest.raises(SystemExit, match=said):
        _adopt(monkeypatch, place, "--codes", "pso=psoriasis", "--skin-type", "Hauttyp")
    assert not (place.parent / "project/config/profiles/fotos.yaml").exists()


def test_codes_become_names_and_names_stay():
    found = named(["BCC", "nv", "Schuppenflechte", "seborrheic-keratosis", "tinea", "", "unknown"], {})
    assert found.names == {
        "BCC": "basal cell carcinoma", "nv": "nevus", "Schuppenflechte": "psoriasis",
        "seborrheic-keratosis": "seborrheic keratosis", "tinea": "tinea",
    }  # fmt: skip
    assert [label for label in ("nev", "L40", "1", "XYZ", "acne", "psoriasis", "lichen") if is_code(label)] == [
        "nev", "L40", "1", "XYZ",
    ]  # fmt: skip
    with pytest.raises(DataError, match="no label is"):
        named(["acne"], {"xyz": "x"})
    with pytest.raises(DataError, match="is no pair"):
        parsed("nev")


def _n(**levels):
    rows = [(c, t) for c, by in levels.items() for t, k in by.items() for _ in range(k)]
    return counts(pd.Series([c for c, _ in rows]), pd.Series([t for _, t in rows]))


def test_the_ends_are_the_furthest_apart_that_hold_two_conditions():
    few_dark = _n(a={"1": 9, "4": 5, "6": 1}, b={"2": 9, "5": 4}, c={"1": 30})
    found = choose(few_dark, SKIN_TYPE, ((), ()), ())
    assert (found.majority, found.minority) == (("1", "2"), ("4", "5", "6"))
    assert (found.conditions, list(found.left_out), found.flexible) == (("a", "b"), ["c"], 2)


def test_where_dark_skin_is_well_represented_light_skin_is_the_minority():
    found = choose(_n(a={"6": 20, "1": 4}, b={"5": 20, "2": 4}), SKIN_TYPE, ((), ()), ())
    assert (found.majority, found.minority) == (("5", "6"), ("1", "2"))


def test_too_few_images_are_said_with_their_counts():
    with pytest.raises(DataError, match=r"nearest: a has 9 of skin types I, II, III and 1 of skin types IV, V, VI"):
        choose(_n(a={"1": 9, "6": 1}, b={"2": 9}), SKIN_TYPE, ((), ()), ())

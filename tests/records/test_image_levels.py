"""The level of each image: of any scale or attribute, of bands of numbers, and nothing told on another scale unsaid."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_steps.configuration.population import PopulationParams
from pipeline_steps.generation.cards import images_card
from pipeline_steps.parameters.population import Groups
from pipeline_steps.records.levels import levels, source_of_ita
from pipeline_steps.records.populations import LEVELS_OF, in_order, level_name, level_text, levels_name, marked, noun
from pipeline_steps.records.skin_scales import parse_skin, skin_columns
from pipeline_steps.records.skin_types import ITA_LOWER_BOUND
from pipeline_steps.select_subset import SubsetParams, counts, drops, select
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.mistakes import mistakes

POPULATION = {
    "column": "fitzpatrick_scale", "bands": {}, "levels": [1, 2, 3, 4, 5, 6], "majority": [1, 2], "minority": [5, 6],
    "check": "ita", "words": {},
}  # fmt: skip
BANDS = {"young": (0.0, 40.0), "middle": (40.0, 60.0), "old": (60.0, 120.0)}


def _images(cells, how="fitzpatrick", assigner="expert", **attributes):
    """A manifest of images whose skin a table tells so, with what ``audit`` measured."""
    table = pd.DataFrame({"image_id": [f"{i:02d}" for i in range(len(cells))], "condition": "a"})
    said = [json.dumps({name: values[i] for name, values in attributes.items()}) for i in range(len(cells))]
    skin = skin_columns(parse_skin(cell, how, assigner) for cell in cells)
    return table.assign(attributes=said, role="study", image_status="present", sha256=table["image_id"], **skin)


def _of(cells, column, how="fitzpatrick", bands=None, **more):
    return levels(_images(cells, how, **more), column, bands or {}).tolist()


def test_each_scale_has_its_own_levels():
    assert _of(["3", "56", ""], "fitzpatrick_scale") == ["3", "56", ""]
    assert _of(["MST 10", "4.0", ""], "monk10", "monk10") == ["10", "4", ""]
    assert _of(["0", "5", ""], "milk6", "milk6") == ["0", "5", ""]
    assert _of(["1", "6"], "fitzpatrick_scale", "fitzpatrick_reversed") == ["6", "1"]


@pytest.mark.parametrize(
    ("how", "cells", "column", "own"),
    [
        ("monk10", ["", "4"], "fitzpatrick_scale", "monk10"),
        ("milk6", ["", "4"], "fitzpatrick_scale", "milk6"),
        ("ita", ["", "40"], "fitzpatrick_scale", "ita"),
        ("fitzpatrick", ["", "4"], "monk10", "fitzpatrick_scale"),
        ("fitzpatrick", ["", "34"], "milk6", "fitzpatrick_scale"),
    ],
)
def test_a_scale_that_the_images_are_not_on_is_refused_with_the_one_they_are_on(how, cells, column, own):
    with pytest.raises(DataError, match=f"1 of 2 images .first: 01.*reaction to sun.* Set population.column to {own}$"):
        _of(cells, column, how)


def test_an_attribute_may_be_called_as_a_scale():
    assert _of(["4", ""], "monk10", monk10=["MST 4", "UNK"]) == ["mst 4", ""]


@settings(deadline=None)
@given(st.lists(st.one_of(st.just(""), st.floats(0, 120).map("{:g}".format)), min_size=1))
def test_bands_hold_each_number_once(cells):
    found = _of(["1"] * len(cells), "age", bands=BANDS, age=cells)
    for cell, level in zip(cells, found, strict=True):
        holding = [n for n, (low, high) in BANDS.items() if cell and low <= float(cell) < high]
        assert level == ("" if not cell else holding[0] if holding else "old")


@pytest.mark.parametrize(
    ("ages", "said"),
    [
        (["39.5", "40", "130", "-2"], r"of 2 images \(first: 02\).*in none of .*young 0 to 40, .* the values 130, -2$"),
        (["39", "forty", "UNK", ""], r"of 1 images \(first: 01\).*no number, .* the value forty$"),
        (["nan", "inf"], "of 1 images .first: 01.*in none of"),
    ],
)
def test_a_number_in_no_band_is_refused_and_counted(ages, said):
    with pytest.raises(DataError, match=said):
        _of(["1"] * len(ages), "age", bands=BANDS, age=ages)


def test_a_gap_that_no_image_falls_into_is_none():
    assert _of(["1", "1"], "age", bands={"a": (0, 10), "b": (20, 30)}, age=["9", "30"]) == ["a", "b"]


def test_angles_are_cut_into_bands_and_may_be_minus_one():
    bands = {"light": (28.0, 90.0), "dark": (-90.0, 28.0)}
    assert _of(["-1", "28", "90", ""], "ita", "ita", bands) == ["dark", "light", "light", ""]
    assert levels(_images(["1", ""]).assign(ita=[np.nan, 30.5]), "ita", bands).tolist() == ["", "light"]
    assert _of(["1", "4", "10"], "monk10", "monk10", {"light": (1, 4), "dark": (4, 10)}) == ["light", "dark", "dark"]


def test_types_are_estimated_from_the_sets_own_angles_or_those_that_audit_measured():
    middles = [ITA_LOWER_BOUND[t] + 5 for t in range(1, 7)]
    own = _images([f"{angle}" for angle in middles], "ita", "instrument").assign(ita=0.0)
    assert levels(own, "ita_type", {}).tolist() == [*LEVELS_OF["ita_type"]]
    assert source_of_ita(own) == "assigned by instrument"
    photographed = _images(["1"] * 6 + [""]).assign(ita=[*middles, np.nan])
    assert levels(photographed, "ita_type", {}).tolist() == [*LEVELS_OF["ita_type"], ""]
    assert source_of_ita(photographed) == "measured on each image's border by audit"
    assert levels(photographed, "fitzpatrick_scale", {}).tolist() == ["1"] * 6 + [""], "never unless it is asked for"


def test_what_was_estimated_says_so_wherever_it_is_named():
    assert level_name("ita_type", "ita5") == "V (estimated from ITA)"
    assert levels_name("ita_type", ["ita6", "ita5"]) == "skin types V, VI (estimated from ITA)"
    assert noun("ita_type") == "skin type (estimated from ITA)"
    assert [marked(level) for level in ("ita5", "5", "female", "ita7")] == [
        "V (estimated from ITA)",
        "5",
        "female",
        "ita7",
    ]
    made = pd.DataFrame({"condition": ["a"] * 3, "target_level": ["ita5", "ita5", "ita6"]})
    assert "| a | V (estimated from ITA) | 2 |" in str(images_card("x", {}, made))


def test_a_subset_by_estimated_types_counts_by_their_own_levels():
    images = _images(["1"] * 12 + [""] * 2)
    angles = [60.0, 45.0, 5.0, -40.0, 30.0] * 2 + [np.nan] * 2 + [-40.0, 60.0]
    groups = pd.DataFrame({"image_id": images["image_id"], "group": images["image_id"], "duplicate_of": ""})
    population = Groups(column="ita_type", majority=("ita1", "ita2"), minority=("ita5", "ita6"), bands={})
    params = SubsetParams(conditions=("a",), policy="clean")
    kept, dropped = select(images, groups.assign(conflict=False, ita=angles), params, population)
    assert counts(kept) == {"a": {"ita1": 3, "ita2": 2, "ita5": 2, "ita6": 3}}
    assert drops(dropped)["dropped"] == {
        "skin type (estimated from ITA) outside both groups": {"ita3": 2},
        "skin type (estimated from ITA) unknown": {"unknown": 2},
    }


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"majority": [1, 7], "minority": [1], "check": "itaa"}, ["skin type I can't", "no 7", "lacks 7", "check is"]),
        ({"column": "ita_type"}, ["and no 1, 2, 5, 6", "ita1, ita2, ita3, ita4,", "agree with itself"]),
        ({"column": "ita", "check": None}, ["name its bands"]),
        ({"column": "monk10", "minority": [11], "check": None}, ["no 11", "levels lacks 11"]),
        ({"column": "milk6"}, ["levels 0 to 5, and no 6", "MILK10k tone has no check"]),
        ({"bands": {"a": [1, 3]}}, ["has levels of its own", "names 1, 2, 5, 6, and bands has a"]),
        ({"column": "age", "check": None, "levels": ["a", "b"], "majority": ["a"], "minority": ["b"],
          "bands": {"b": [30, 60], "a": [0, 40], "c": [9, 8]}}, ["bands.c goes from 9 to", "overlap", "be the names"]),
        ({"words": {"p": {"Male": "x", "male": "y"}}, "minority": [5, True]}, ["'Male', 'male' are", "quotes"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_with_a_population_is_said_at_once(changed, said):
    lines = mistakes(PopulationParams, POPULATION | changed, "population")
    assert len(lines) >= len(said), lines
    for words in said:
        assert any(words in line for line in lines), (words, lines)
    assert not mistakes(PopulationParams, POPULATION, "population")


@pytest.mark.parametrize("column", LEVELS_OF)
def test_levels_stand_in_the_order_of_their_scale(column):
    """As text Monk's 10 would stand between 1 and 2."""
    assert in_order([*reversed(LEVELS_OF[column]), LEVELS_OF[column][0]]) == list(LEVELS_OF[column])
    assert in_order([10, 2, "2.0"]) == ["2", "10"], "as a profile may write them"
    assert levels_name("monk10", ["10", "2"]) == "Monk tone 2, 10"


@given(st.sets(st.text(max_size=6)))
def test_any_levels_can_be_ordered(found):
    assert set(in_order(found)) == {*map(level_text, found)}

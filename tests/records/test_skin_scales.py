"""Skin as a record: what each scale's cells mean, and that none turns into another scale's unsaid."""

import json
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_steps.datasets.source import COLUMNS
from pipeline_steps.datasets.table import Decoding, Mapped, read_mapped
from pipeline_steps.ingest import ingest
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.manifest import by_skin_type
from pipeline_steps.records.skin_scales import (
    READERS,
    SkinColumn,
    SkinRecord,
    convert,
    ita_class,
    ita_type,
    parse_skin,
    skin_columns,
)
from pipeline_steps.stage.errors import DataError

D = Decoding(16, "squash", 10_000)
CELLS = {
    "fitzpatrick": {"3.0": "3", "FST 5": "5", "vi dark brown": "6", "56": "56", "0": "", "-1": "", "N/A": ""},
    "fitzpatrick_from_0": {"0": "1", "5.0": "6", "": "", "N/A": "", "-1": ""},
    "fitzpatrick_reversed": {"1": "6", "6": "1", "2.0": "5", "unknown": ""},
    "monk10": {"10": "10", "4.0": "4", "MST 4": "4", "monk 9": "9", "mst1": "1", "0": "", "": ""},
    "milk6": {"0": "0", "5": "5", "2.0": "2", "-1": "", "": ""},
    "ita": {"-1": "-1", "-1.0": "-1", "41.25": "41.25", "0": "0", "-90": "-90", "28\u00b0": "28", "": "", "-": ""},
}  # fmt: skip
STRANGE = {
    "fitzpatrick": ["7", "1.5", "MST 4", "brown"],
    "fitzpatrick_from_0": ["6", "12", "V"],
    "fitzpatrick_reversed": ["0", "7", "56"],
    "monk10": ["11", "12", "4.5", "IV", "FST 4"],
    "milk6": ["6", "0.5", "light"],
    "ita": ["91", "-90.5", "light", "41,5", "inf"],
}


@pytest.mark.parametrize(("how", "cell"), [(how, cell) for how, cells in CELLS.items() for cell in cells])
def test_a_cell_is_read_on_its_own_scale(how, cell):
    record = parse_skin(cell, how, "expert")
    assert (record.value, record.raw) == (CELLS[how][cell], cell)
    assert bool(record.scale) == bool(record.value), "unknown has no scale"
    assert record.assigner == ("expert" if record.value else "")


@pytest.mark.parametrize(("how", "cell"), [(how, cell) for how, cells in STRANGE.items() for cell in cells])
def test_what_is_on_no_scale_is_refused_with_the_cell(how, cell):
    with pytest.raises(ValueError, match=re.escape(repr(cell))):
        parse_skin(cell, how, "expert")


def test_every_way_to_read_has_cells_here_and_a_name_in_the_parameters():
    from typing import get_args

    assert {*READERS} == {*CELLS} == {*STRANGE} == {*get_args(Mapped.model_fields["skin_scale"].annotation)}


VALUES = {"fitzpatrick": "123456", "monk10": [*map(str, range(1, 11))], "milk6": "012345"}
RECORDS = st.one_of(
    *(st.tuples(st.just(how), st.sampled_from([*values])) for how, values in VALUES.items()),
    st.tuples(st.just("fitzpatrick"), st.sampled_from(["12", "34", "56"])),
    st.tuples(st.just("ita"), st.floats(-90, 90).map("{:g}".format)),
)


@settings(deadline=None)
@given(RECORDS)
def test_a_value_is_read_as_it_was_written(read):
    how, value = read
    record = parse_skin(value, how, "crowd")
    assert record.value == value
    assert parse_skin(record.value, how, "crowd") == record
    told = pd.DataFrame(skin_columns([record])).iloc[0]
    assert SkinRecord(*(told[f"skin_{name}"] for name in ("scale", "value", "assigner", "raw"))) == record
    assert told["fitzpatrick_scale"] is pd.NA or str(told["fitzpatrick_scale"]) == value


@settings(deadline=None)
@given(RECORDS, st.sampled_from(["fitzpatrick6", "fitzpatrick3", "monk10", "milk6", "ita", "ita_type"]))
def test_only_a_types_group_and_an_angles_estimate_are_told_on_another_scale(read, scale):
    record = parse_skin(read[1], read[0], "crowd")
    if record.scale == scale:
        assert convert(record, scale) is record
    elif (record.scale, scale) in {("fitzpatrick6", "fitzpatrick3"), ("ita", "ita_type")}:
        made = convert(record, scale)
        assert (made.scale, made.assigner, made.raw) == (scale, "crowd", record.raw)
        assert made.value in ({"12", "34", "56"} if scale == "fitzpatrick3" else {f"ita{t}" for t in range(1, 7)})
    else:
        with pytest.raises(ValueError, match=f"{record.scale} {re.escape(record.value)} can't be told as {scale}: .+"):
            convert(record, scale)


@pytest.mark.parametrize(
    ("record", "scale", "why"),
    [
        (("monk10", "4"), "fitzpatrick6", "reaction to sun, Monk's visible colour"),
        (("fitzpatrick6", "4"), "monk10", "reaction to sun, Monk's visible colour"),
        (("fitzpatrick3", "34"), "fitzpatrick6", "does not say which"),
        (("milk6", "0"), "fitzpatrick6", "MILK10k's classes visible colour"),
        (("ita", "50"), "fitzpatrick6", "population.column ita_type estimates types, marked as such"),
    ],
)
def test_a_conversion_that_is_not_valid_says_why(record, scale, why):
    with pytest.raises(ValueError, match=why):
        convert(SkinRecord(*record, "expert", record[1]), scale)


CLASSES = ("very light", "light", "intermediate", "tan", "brown", "dark")


def test_published_classes_of_angles():
    assert [ita_class(v) for v in (60, 50, 30, 20, 0, -40)] == [*CLASSES]
    assert [ita_type(v) for v in (55, 28.5, -90)] == ["ita2", "ita3", "ita6"]


def _read(folder, text, others=(), **named):
    (folder / "t.csv").write_text(text)
    mapped = Mapped(
        csv=folder / "t.csv", images=folder, masks=folder, file="{file}", mask="", image_id="file", condition="label",
        patient_id="", lesion_id="", attributes=(), **{"skin_type": "skin", "skin_assigner": "expert", **named},
    )  # fmt: skip
    return read_mapped(mapped, D, other_skin=others)


def test_a_cell_that_is_none_names_its_place_and_the_remedy(tmp_path):
    with pytest.raises(
        DataError, match=r"t\.csv, row 3, column skin: 'MST 4' is none of 0, .*mend the cell.*skin_scale"
    ):
        _read(tmp_path, "file,label,skin\na.png,x,1\nb.png,x,MST 4\n", skin_scale="milk6")


def test_a_table_may_say_of_each_row_who_assigned_its_skin(tmp_path):
    text = "file,label,skin,who\na.png,x,12,Clinician\nb.png,x,5,n/a\nc.png,x,,crowd\n"
    table = _read(tmp_path, text, skin_scale="fitzpatrick", skin_assigner="{who}").table
    assert table["skin_assigner"].tolist() == ["clinician", "", ""]
    assert table["skin_scale"].tolist() == ["fitzpatrick3", "fitzpatrick6", ""]
    with pytest.raises(DataError, match="no column 'rater' of skin_assigner"):
        _read(tmp_path, text, skin_scale="fitzpatrick", skin_assigner="{rater}")


def test_one_of_several_raters_counts_and_the_others_are_kept(tmp_path):
    text = "file,label,skin,monk\na.png,x,3,MST 4\nb.png,x,-1,\n"
    others = [SkinColumn("skin", "fitzpatrick", "self"), SkinColumn("monk", "monk10", "expert")]
    source = _read(tmp_path, text, others, skin_scale="fitzpatrick")
    kept = [json.loads(cell) for cell in source.table["other_skin"]]
    assert kept[0] == {"monk": {"scale": "monk10", "value": "4", "assigner": "expert", "raw": "MST 4"}}
    assert kept[1]["monk"]["value"] == ""
    assert set(source.table.columns) == {*COLUMNS}
    swapped = _read(tmp_path, text, others, skin_type="monk", skin_scale="monk10").table
    assert swapped["skin_value"].tolist() == ["4", ""]
    assert json.loads(swapped["other_skin"][0])["skin"]["value"] == "3"


@pytest.mark.parametrize(
    ("how", "cells", "counted"),
    [
        ("monk10", ["10", "MST_1", "0"], {"1": 1, "10": 1, "unknown": 1}),
        ("ita", ["60", "61.5", "-40"], {"dark": 1, "very light": 2}),
        ("milk6", ["0", "0", "5"], {"0": 2, "5": 1}),
    ],
)
def test_what_is_left_out_is_counted_on_the_images_own_scale(tmp_path, how, cells, counted):
    rows = "".join(f"{i}.png,x,{cell.replace('_', ' ')}\n" for i, cell in enumerate(cells))
    source = _read(tmp_path, f"file,label,skin\n{rows}", skin_scale=how)
    out = tmp_path / "out"
    out.mkdir()
    report = ingest(source, out, ItemStore(tmp_path / "items"))
    assert report["missing_by_skin_type"] == counted
    manifest = pd.read_parquet(out / "manifest.parquet")
    assert by_skin_type(manifest) == counted
    assert manifest["fitzpatrick_scale"].isna().all()

"""The pieces of the rehearsal: slopes and verdicts, what is measured once, and the page."""

import pytest
from PIL import Image

from benchmarks.rehearsal import material
from benchmarks.rehearsal.page import Conditions, fitzpatrick_part, page, plot
from benchmarks.rehearsal.profiles import generated
from benchmarks.rehearsal.slopes import LEVEL, LIMIT_MIB, RISING, Line, expected, lines, memory_verdict, verdict
from benchmarks.rehearsal.workspace import Cost, Workspace, _names

SIZES = (500, 1000, 2000)
MIB = (300, 310, 320)


def _line(seconds, peaks=MIB):
    return Line("screen", 1, SIZES, tuple(seconds), tuple(peaks))


def _cost(stage, cpu, peak=300):
    return Cost(stage, cpu + 2, cpu, peak, 1.0)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ([10 + 0.2 * n for n in SIZES], "level"),
        ([10 + 1e-4 * n * n for n in SIZES], "rising"),
        ([20 * n**0.5 for n in SIZES], "falling"),
        ((5.0, 5.0, 6.9), "level"),  # noise of a stage that starts and ends
        ((5.0, 5.0, 8.0), "rising"),
        ((300.0, 600.0, 1260.0), "level"),  # a tenth more for each image
        ((300.0, 600.0, 1400.0), "rising"),
    ],
)
def test_a_slope_is_level_falling_or_rising(seconds, said):
    assert verdict(_line(seconds)) == said


def test_of_two_sizes_nothing_is_said():
    line = Line("screen", 1, SIZES[:2], (1.0, 2.0), (300, 300))
    assert line.slopes == [pytest.approx(1 / 500)]
    assert verdict(line) == ""


def test_a_list_of_images_would_show_in_memory():
    assert memory_verdict(_line((1, 1, 1), (300, 675, 1425))) == RISING
    assert memory_verdict(_line((1, 1, 1), (300, 310, 370))) == LEVEL


def test_cells_are_one_line_but_of_stages_apart_which_count_what_they_made():
    measured = {
        n: [_cost("generate@a-iii-0", n / 10, n), _cost("screen@a-iii-0", 1.0, 200), _cost("screen@b-iii-0", 2.0, 300)]
        for n in SIZES
    }
    measured[2000] = measured[2000][:2]  # cut off before its last cell
    made, screen = lines(measured, {n: generated(n) for n in SIZES}, ["generate"])
    assert (made.name, made.counts) == ("generate a", (60, 120, 240))
    assert made.slopes == pytest.approx([50 / 60, 100 / 120])
    assert (screen.cells, screen.counts, screen.cpu_s, screen.peak_mib) == (2, (500, 1000), (3.0, 3.0), (300, 300))


def test_what_is_left_is_a_line_through_what_is_known():
    known = {100: {"a": 15.0, "b": 5.0}, 500: {"a": 55.0}}
    assert expected(known, "a", 1000) == pytest.approx(105.0)
    assert expected(known, "b", 1000) == pytest.approx(5.0)
    assert expected({100: {"a": 15.0, "b": 5.0}}, "a", 200) == pytest.approx(25.0)


def test_the_page_names_what_rises_and_why_a_part_is_not_there(tmp_path):
    found = [_line((10, 20, 40)), Line("split", 1, SIZES, (1.0, 30.0, 120.0), (300, 300, LIMIT_MIB))]
    conditions = Conditions(SIZES, [generated(n) for n in SIZES], 512, "a machine", [1.0, 3.0])
    text = page(found, fitzpatrick_part([], 0, 256, "no table"), conditions, "")
    assert "rise in: split" in text
    assert "NOT below 4 GiB" in text
    assert "Not run: no table" in text
    assert "1.0 to 3.0" in text
    plot(found, [_cost("ingest", 3.0)], 16577, tmp_path / "plot.png")
    assert Image.open(tmp_path / "plot.png").width > 600


def test_stages_are_named_in_the_order_of_the_pipeline():
    stages = {"one": {}, "kept": {"frozen": True}, "each": {"foreach": "${cells.each}", "do": {}}}
    assert list(_names(stages, {"each": {"a": {}, "b": {}}})) == ["one", "each@a", "each@b"]


def test_items_of_a_run_that_was_cut_off_are_taken_away(tmp_path):
    place = Workspace(tmp_path, tmp_path / "results.jsonl", {})
    items = tmp_path / "cache/items"
    (items / "ab").mkdir(parents=True)
    (items / "ab/old").write_text("old")
    (items / "index.sqlite").write_text("old")
    place._items_as_before()
    (items / "ab/new").write_text("new")
    (items / "index.sqlite").write_text("new")
    place._items_as_before()
    assert [file.name for file in (items / "ab").iterdir()] == ["old"]
    assert (items / "index.sqlite").read_text() == "old"


def test_photographs_of_a_smaller_set_are_the_first_of_a_larger(tmp_path, monkeypatch):
    monkeypatch.setattr(material, "PHOTOGRAPH", (40, 36))
    small, large = (material.write_photographs(tmp_path / str(n), n) for n in (3, 16))
    rows = material.rows_of(large / "labels.csv")
    assert [row["file"] for row in rows] == [f"{i:05d}.jpg" for i in range(16)]
    assert rows[:3] == [{**row} for row in material.rows_of(small / "labels.csv")]
    for name in ("images/00002.jpg", "masks/00002.png"):
        assert (small / name).read_bytes() == (large / name).read_bytes()
    assert {row["patient"] for row in rows[::7]} == {"0-0", "0-1"}
    picture, mask = Image.open(large / "images/00000.jpg"), Image.open(large / "masks/00000.png")
    assert picture.size == mask.size == (40, 36)
    assert mask.convert("L").getextrema() == (0, 255)

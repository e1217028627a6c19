"""Figures: chance, how many images stand behind a point, the noise floor, and their captions."""

import dataclasses

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from studies import STUDY, classifier_results, scored

from pipeline_steps.reporting import figures, plates
from pipeline_steps.reporting.intervals import accuracy_points


def _axes(drawn, *rows, conditions=3):
    points = accuracy_points(pd.DataFrame(rows), 0.25, 10)
    figures.accuracy_by_level(points, "title", conditions, STUDY.floors, STUDY.names, STUDY.noun)
    return drawn[-1].axes[0]


@pytest.mark.parametrize("conditions", [2, 3, 7])
def test_chance_is_one_in_as_many_as_there_are_conditions(drawn, conditions):
    axes = _axes(drawn, scored("real", 0, "5"), scored("real", 0, "6"), conditions=conditions)
    across = [line for line in axes.lines if line.get_transform() == axes.get_yaxis_transform(which="grid")]
    assert [list(line.get_ydata()) for line in across] == [[pytest.approx(100 / conditions)] * 2]


def test_a_figure_tells_how_many_images_and_marks_where_they_are_few(drawn):
    rows = [scored("real", d, t, n=n) for d in (0, 1) for t, n in (("5", 48 + d), ("6", 9))]
    axes = _axes(drawn, *rows)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["V\nn 48-49", "VI\nn 9"]
    (dots,) = [c for c in axes.collections if len(c.get_offsets()) == 2 and len(c.get_facecolors()) == 2]
    assert [to_hex(c) for c in dots.get_facecolors()] == ["#4d4d4d", "#ffffff"]


def test_a_second_seed_is_a_dotted_line_without_bars(drawn):
    axes = _axes(drawn, *(scored(arm, 0, t) for arm in ("real", "real_again") for t in ("5", "6")))
    by_label = {line.get_label(): line for line in axes.lines}
    assert by_label["real, second seed"].get_linestyle() == ":"
    assert by_label["real"].get_linestyle() == "-"
    assert len(axes.containers) == 1, "bars of real alone"


def test_the_caption_says_what_the_figure_cannot():
    rows = [scored(arm, 0, t, n=n) for arm in ("real", "real_again") for t, n in (("5", 48), ("6", 9), ("all", 57))]
    (plate,) = plates.accuracy_plates(classifier_results(*rows), STUDY)
    assert plate.caption.startswith("57 images, 1 draw(s); bars: 95 % over test images")
    assert "each of the 3 conditions equally often" in plate.caption
    assert "fewer than 10 images (skin type VI)" in plate.caption
    assert "Dotted: real, second seed, the noise floor" in plate.caption


def test_dose_response_shows_the_noise_floor_apart(drawn):
    sizes = {"iii": {"0": {"train": 48}}, "iii_4_per_condition": {"0": {"train": 12}}}
    rows = [scored(arm, 0, t, scenario=s) for arm in ("real", "real_again") for s in sizes for t in "56"]
    rows += [{**row, "level": "all", "worst_accuracy": 0.5, "gap": 0.0} for row in rows if row["level"] == "5"]
    study = dataclasses.replace(STUDY, sizes=sizes)
    (found,) = plates.doses(classifier_results(*rows), study, "test").values()
    assert sorted(set(found["dose"])) == [4, 16]
    figures.dose_response(found, "title")
    styles = {line.get_label(): line.get_linestyle() for line in drawn[-1].axes[0].lines}
    assert (styles["real"], styles["real, second seed"]) == ("-", ":")

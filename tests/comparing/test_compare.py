"""Two experiments side by side: what was changed, what it did, and when nothing can be said."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from compared_runs import PARAMS, Lab, predictions

import pipeline_steps.compare
from pipeline_steps.comparing.changes import changes
from pipeline_steps.comparing.comparison import compare
from pipeline_steps.comparing.difference import BY_INTERVALS, MEANS, OVER_DRAWS, OVER_IMAGES, SAME
from pipeline_steps.comparing.experiments import open_experiment
from pipeline_steps.comparing.page import page
from pipeline_steps.comparing.relevance import most_telling
from pipeline_steps.comparing.words import LINES, all_lines, lines
from pipeline_steps.stage.errors import DataError
from pipeline_steps.statistics.cluster_intervals import cluster_interval
from pipeline_steps.statistics.unpaired import difference_interval


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Lab(tmp_path)


def updated(updates):
    return PARAMS | {"classifier": {"updates": updates}}


def by_quantity(found):
    return {d.quantity: d for d in found.differences}


def test_what_was_changed_and_what_it_did(lab):
    """A lasting gain on one level is resolved, no change on the other is the unresolved one."""
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first")
    lab.finish({0: predictions({"1": 0.8, "5": 0.6})}, params=updated(200), code="2")
    found = compare("first", "workspace")
    assert found.changes.parameters == {"classifier.updates": (100, 200)}
    assert found.changes.code == {"evaluate": ["evaluate.py"]}
    assert found.changes.wiring == []
    of = by_quantity(found)
    assert {d.how for d in found.differences} == {OVER_IMAGES}
    assert {q: d.verdict for q, d in of.items()} == {
        "all": "higher",
        "minority": "higher",
        "worst_accuracy": "higher",
        "gap": "lower",
        "1": "unresolved",
        "5": "higher",
    }
    assert of["5"].low < of["5"].mean < of["5"].high
    assert of["5"].mean == pytest.approx(0.3)
    said = "\n".join(lines(found))
    assert "classifier.updates 100 → 200" in said
    assert "V 30.0 → 60.0, +30.0" in said
    assert "unresolved: I +0.0" in said
    assert len(lines(found)) <= LINES


def test_the_paired_interval_is_the_reports(lab):
    """Whole groups resampled once for both classifiers, by the seed and the draws of ``evaluation``."""
    a, b = predictions({"1": 0.8, "5": 0.3}), predictions({"1": 0.75, "5": 0.5})
    lab.finish({0: a}, tag="first")
    lab.finish({0: b})
    right = [(t["predicted"] == t["condition"]).to_numpy(float) for t in (a, b)]
    expected = cluster_interval(
        lambda rows: float(right[1][rows].mean() - right[0][rows].mean()), list(a["group"]), 200, 0
    )
    whole = by_quantity(compare("first", "workspace"))["all"]
    assert (whole.low, whole.high) == pytest.approx(expected)


def test_the_other_way_round_all_signs_turn(lab):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first")
    lab.finish({0: predictions({"1": 0.75, "5": 0.5})}, tag="second")
    there, back = (by_quantity(compare(*names)) for names in (("first", "second"), ("second", "first")))
    for quantity, d in there.items():
        assert back[quantity].mean == pytest.approx(-d.mean)
        assert back[quantity].low == pytest.approx(-d.high, nan_ok=True)


def test_few_changed_images_resolve_nothing(lab):
    """Five images, all to one side: a bootstrap would call that a difference."""
    lab.finish({0: predictions({"1": 0.8, "5": 0.300})}, tag="first")
    lab.finish({0: predictions({"1": 0.8, "5": 0.325})})
    level = by_quantity(compare("first", "workspace"))["5"]
    assert (level.verdict, math.isnan(level.low)) == ("unresolved", True)
    assert "fewer than 10 groups changed" in level.doubt


def test_other_test_images_are_compared_by_intervals(lab):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first")
    lab.finish({0: predictions({"1": 0.8, "5": 0.6}, first=1000)})
    of = by_quantity(compare("first", "workspace"))
    assert {d.how for d in of.values()} == {BY_INTERVALS}
    assert of["5"].verdict == "higher"
    assert of["gap"].verdict == "unresolved"  # it has no interval of its own


def test_without_predictions_intervals_are_left_and_it_says_what_brings_them(lab):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first", keep=False)
    lab.finish({0: predictions({"1": 0.8, "5": 0.6})}, keep=False)
    found = compare("first", "workspace")
    assert {d.how for d in found.differences} == {BY_INTERVALS}
    said = "\n".join(lines(found))
    assert "not at hand 1 outputs of first" in said
    assert "dvc remote add --default" in said


def test_without_metrics_the_means_in_git_are_left(lab):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first")
    (lab.folder / "metrics/classification/real-0.json").unlink()
    found = compare("first", "workspace")
    assert [(d.quantity, d.how, d.verdict) for d in found.differences] == [("all", MEANS, "unresolved")]


def test_the_same_predictions_are_called_the_same(lab):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first")
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, params=updated(200))
    found = compare("first", "workspace")
    assert {(d.how, d.verdict, d.mean) for d in found.differences} == {(SAME, "same", 0.0)}
    assert SAME in "\n".join(lines(found))


def test_several_draws_are_paired_by_draw(lab):
    old = {d: predictions({"1": 0.8, "5": 0.3 + 0.02 * d}, d) for d in range(3)}
    new = {d: predictions({"1": 0.8, "5": 0.5 + 0.03 * d}, d) for d in range(3)}
    lab.finish(old, tag="first")
    lab.finish(new)
    level = by_quantity(compare("first", "workspace"))["5"]
    assert (level.how, level.verdict) == (OVER_DRAWS, "higher")
    assert level.mean == pytest.approx(0.21)


def test_a_level_of_few_images_is_unresolved(lab):
    few = [predictions({"1": 0.8, "5": share}) for share in (0.1, 0.9)]
    few = [pd.concat([t[t["level"] == "1"], t[t["level"] == "5"].head(20)], ignore_index=True) for t in few]
    lab.finish({0: few[0]}, tag="first")
    lab.finish({0: few[1]})
    level = by_quantity(compare("first", "workspace"))["5"]
    assert (level.verdict, level.doubt) == ("unresolved", "too few images")


def test_an_edit_that_was_not_run_is_said(lab):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})})
    lab.write("params.yaml", updated(300))
    assert compare("HEAD", "workspace").changes.not_run == {"workspace": ["classifier.updates"]}


def test_an_unknown_name_is_told_its_neighbours(lab):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="longer")
    with pytest.raises(DataError, match=r"'longr' is no commit, .*did you mean longer"):
        compare("longr", "workspace")


def test_the_page_and_the_json_hold_every_difference(lab):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first")
    lab.finish({0: predictions({"1": 0.8, "5": 0.6})}, params=updated(200))
    found = compare("first", "workspace")
    whole = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert len(whole["differences"]) == len(found.differences) == 6
    text = page(found)
    assert text.count("<tr>") >= 6
    assert "classifier.updates" in text
    assert "data:image/png;base64," in text


MANY = {
    **{f"adapters.lora.{name}": (8, 4) for name in ("alpha", "rank", "training.batch_size")},
    "adapters.lora.training.steps": (70, 2),
    "adapters.lora.training.validate_every": (500, 1),
    **{f"arms.gone.{name}": (1, "-") for name in "abc"},
    "classifier.updates": (120, 6),
    "compute.threads": (2, 1),
    "evaluation.bootstrap_draws": (1000, 10),
    "ingest.adapter": ("phantom", "folder"),
    "ingest.image_size": (512, 64),
}


def test_of_many_parameters_the_telling_ones_come_first_whatever_their_number():
    """Data, method and classifier before what measures; a choice before a number; a large factor before a small one."""
    order = most_telling(MANY, len(MANY))
    assert order[:3] == ["ingest.adapter", "adapters.lora.training.steps", "classifier.updates"]
    assert sorted(order) == sorted(MANY)
    assert [most_telling(MANY, n) for n in range(len(MANY))] == [order[:n] for n in range(len(MANY))]
    assert order.index("ingest.image_size") > order.index("classifier.updates"), "each part has its turn"


@pytest.mark.parametrize("contenders", [1, 7])
def test_ten_lines_hold_any_number_of_changes_and_say_where_the_rest_is(lab, contenders):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first")
    lab.finish({0: predictions({"1": 0.8, "5": 0.6})})
    found = compare("first", "workspace")
    more = [
        replace(d, contender=replace(d.contender, arm=f"a{i}")) for i in range(contenders) for d in found.differences
    ]
    found = replace(found, differences=more, changes=replace(found.changes, parameters=MANY))
    said = lines(found, "here.html")
    assert len(said) <= LINES
    assert max(map(len, said)) <= 240  # two lines of a terminal
    assert f"{len(MANY)} differ: ingest.adapter phantom → folder; " in said[1]
    assert said[-1].startswith(f"… {len(MANY) - 4} more parameters")
    assert said[-1].endswith(": here.html")
    every = all_lines(found)
    assert all(any(f"{key} " in line for line in every) for key in MANY)
    assert sum(line.startswith("  by skin type") for line in every) == contenders


def test_what_is_resolved_stands_first(lab):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first")
    lab.finish({0: predictions({"1": 0.8, "5": 0.6})})
    found = compare("first", "workspace")
    dull = [replace(d, contender=replace(d.contender, arm="dull"), doubt="too few images") for d in found.differences]
    said = lines(replace(found, differences=[*dull, *found.differences]))
    places = {arm: next(i for i, line in enumerate(said) if arm in line) for arm in ("dull", "real")}
    assert places["real"] < places["dull"]


@pytest.mark.parametrize("differ", [True, False])
def test_a_page_is_written_where_ten_lines_are_too_few(lab, monkeypatch, capsys, differ):
    lab.finish({0: predictions({"1": 0.8, "5": 0.3})}, tag="first")
    lab.finish({0: predictions({"1": 0.8, "5": 0.6})})
    if differ:
        many = replace(changes(open_experiment("first"), open_experiment("HEAD")), parameters=MANY)
        monkeypatch.setattr("pipeline_steps.comparing.comparison.changes", lambda _a, _b: many)
    monkeypatch.setattr("sys.argv", ["compare", "first"])
    pipeline_steps.compare.main()
    said = capsys.readouterr().out.splitlines()
    assert Path("runs/comparison.html").exists() == differ == said[-1].endswith("runs/comparison.html")


def test_square_and_add_is_newcombes():
    """56 of 70 against 48 of 80, each with its Wilson interval: Newcombe 1998, method 10."""

    def wilson(k, n, z=1.959964):
        p = k / n
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return p, (p + z * z / (2 * n) - half) / (1 + z * z / n), (p + z * z / (2 * n) + half) / (1 + z * z / n)

    assert difference_interval(wilson(48, 80), wilson(56, 70)) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert all(map(math.isnan, difference_interval((0.1, 0.0, 0.2), (0.3, math.nan, math.nan))))

"""What the report prints: intervals, the noise floor, how many images stand behind a number."""

import dataclasses
import html
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib.colors import to_hex
from scipy import stats

from pipeline_steps import report
from pipeline_steps.measures.classifiers.between import GAP
from pipeline_steps.measures.classifiers.table import CLASSIFIERS
from pipeline_steps.measures.images.frechet import FRECHET
from pipeline_steps.measures.images.kernel import KERNEL
from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.records.populations import SKIN_TYPE
from pipeline_steps.reporting import figures, plates, shown
from pipeline_steps.reporting.arms import baseline_arms, noise_floors
from pipeline_steps.reporting.blocks import Measured
from pipeline_steps.reporting.comparisons import contenders, floor_differences, paired_tests
from pipeline_steps.reporting.family import as_one_family
from pipeline_steps.reporting.findings import findings
from pipeline_steps.reporting.intervals import accuracy_points
from pipeline_steps.reporting.measures import MINORITY
from pipeline_steps.reporting.results import Results, gather
from pipeline_steps.reporting.sections.against_real import comparison
from pipeline_steps.reporting.sections.introduction import beyond
from pipeline_steps.reporting.study import METRICS, Study, read_study
from pipeline_steps.reporting.summary import summary
from pipeline_steps.reporting.tables import ablation, table_2
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.params import read_yaml
from pipeline_steps.statistics.cluster_intervals import cluster_interval

EVALUATION = EvaluationParams(bootstrap_draws=300, seed=4, minimum_level_images=10)
STUDY = Study(
    column=SKIN_TYPE,
    levels=tuple("123456"),
    majority=("1", "2"),
    minority=("5", "6"),
    levelled=False,
    rendered=True,
    papers=True,
    conditions=3,
    sizes={s: {str(d): {"train": 100, "test": 25, "test_light": 0} for d in range(3)} for s in ("iii", "i")},
    baselines=frozenset({"real"}),
    model_free=frozenset(),
    floors={"real_again": "real"},
    evaluation=EVALUATION,
)
PLAIN = {"images": "real", "copies": 0, "policy": "none", "mix": "none", "mix_alpha": 1.0}


def _level(arm, draw, level="all", accuracy=0.5, n=40, **more):
    head = {"arm": arm, "augmenter": "good" if arm.endswith("syn") else "", "architecture": "a", "draw": draw}
    cell = {"scenario": "iii", "split": f"iii-{draw}", "partition": "test", "cell": f"{arm}-{draw}"}
    measured = {"accuracy": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.2}
    return {**head, **cell, "level": level, "n": n, **measured, **more}


def _results(*rows):
    return Results(pd.DataFrame(rows), pd.DataFrame(), pd.DataFrame())


def test_one_draw_has_its_interval_over_images_and_several_have_one_over_draws():
    rows = pd.DataFrame([_level("real", 0, "5", 0.5), _level("syn", 0, "5", 0.4), _level("syn", 1, "5", 0.6)])
    points = accuracy_points(rows, 0.25, 10).set_index("arm")
    assert tuple(points.loc["real", ["low", "high"]]) == (0.4, 0.7)
    half = stats.t.ppf(0.975, 1) * np.sqrt((1 / 2 + 0.25) * 0.02)
    assert half > 0.5, "wider than all that is possible, so cut off"
    assert tuple(points.loc["syn", ["accuracy", "low", "high"]]) == (0.5, 0.0, 1.0)
    four = pd.DataFrame([_level("syn", d, "5", 0.5 + 0.01 * (-1) ** d) for d in range(4)])
    (point,) = accuracy_points(four, 0.25, 10).to_dict("records")
    half = stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 0.25) * 4 / 3) * 0.01
    assert (point["low"], point["high"]) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_draws_without_spread_have_no_bar():
    (point,) = accuracy_points(pd.DataFrame([_level("syn", d, "5") for d in range(2)]), 0.25, 10).to_dict("records")
    assert np.isnan([point["low"], point["high"]]).all()


@pytest.fixture
def drawn(monkeypatch):
    """The last figure, kept from being closed."""
    kept = []
    monkeypatch.setattr(figures, "_png", lambda figure: kept.append(figure) or b"")
    yield kept
    plt.close("all")


def _axes(drawn, *rows, conditions=3):
    points = accuracy_points(pd.DataFrame(rows), 0.25, 10)
    figures.accuracy_by_level(points, "title", conditions, STUDY.floors, STUDY.names, STUDY.noun)
    return drawn[-1].axes[0]


@pytest.mark.parametrize("conditions", [2, 3, 7])
def test_chance_is_one_in_as_many_as_there_are_conditions(drawn, conditions):
    axes = _axes(drawn, _level("real", 0, "5"), _level("real", 0, "6"), conditions=conditions)
    across = [line for line in axes.lines if line.get_transform() == axes.get_yaxis_transform(which="grid")]
    assert [list(line.get_ydata()) for line in across] == [[pytest.approx(100 / conditions)] * 2]


def test_a_figure_tells_how_many_images_and_marks_where_they_are_few(drawn):
    rows = [_level("real", d, t, n=n) for d in (0, 1) for t, n in (("5", 48 + d), ("6", 9))]
    axes = _axes(drawn, *rows)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["V\nn 48-49", "VI\nn 9"]
    (dots,) = [c for c in axes.collections if len(c.get_offsets()) == 2 and len(c.get_facecolors()) == 2]
    assert [to_hex(c) for c in dots.get_facecolors()] == ["#4d4d4d", "#ffffff"]


def test_a_second_seed_is_a_dotted_line_without_bars(drawn):
    axes = _axes(drawn, *(_level(arm, 0, t) for arm in ("real", "real_again") for t in ("5", "6")))
    by_label = {line.get_label(): line for line in axes.lines}
    assert by_label["real, second seed"].get_linestyle() == ":"
    assert by_label["real"].get_linestyle() == "-"
    assert len(axes.containers) == 1, "bars of real alone"


def test_the_caption_says_what_the_figure_cannot():
    rows = [_level(arm, 0, t, n=n) for arm in ("real", "real_again") for t, n in (("5", 48), ("6", 9), ("all", 57))]
    (plate,) = plates.accuracy_plates(_results(*rows), STUDY)
    assert plate.caption.startswith("57 images, 1 draw(s); bars: 95 % over test images")
    assert "each of the 3 conditions equally often" in plate.caption
    assert "fewer than 10 images (skin type VI)" in plate.caption
    assert "Dotted: real, second seed, the noise floor" in plate.caption


def test_roles_follow_from_what_an_arm_is_and_not_from_its_name():
    arms = {
        "a": {**PLAIN, "seed": 0},
        "b": {**PLAIN, "seed": 1},
        "c": {**PLAIN, "policy": "augmix", "seed": 0},
        "d": {**PLAIN, "policy": "augmix", "seed": 3},
        "e": {**PLAIN, "mix": "mixup", "seed": 1},
        "f": {**PLAIN, "images": "real_syn", "seed": 1},
    }
    assert baseline_arms(arms) == {"a", "c"}
    assert noise_floors(arms) == {"b": "a", "d": "c", "e": ""}


def test_the_noise_floor_by_hand():
    index = pd.MultiIndex.from_product([["iii"], ["a", "b"], [0, 1]], names=["scenario", "architecture", "draw"])
    scores = {
        "real": pd.DataFrame({"accuracy": [0.5, 0.5, 0.5, 0.5]}, index=index),
        "real_again": pd.DataFrame({"accuracy": [0.52, 0.46, 0.51]}, index=index[:3]),
    }
    (floor,) = floor_differences(scores, STUDY.floors, "accuracy")
    assert (floor["scenario"], floor["blocks"]) == ("iii", 3)
    assert (floor["mean"], floor["largest"]) == (pytest.approx(-0.01 / 3), pytest.approx(0.04))


def _predictions(folder, cell, right, order=None):
    """A file of test predictions: of 20 groups of two images, those ``right``."""
    table = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(40)],
            "group": [f"g{k // 2}" for k in range(40)],
            "partition": "test",
            "condition": "a",
            "predicted": np.where(right, "a", "b"),
        }
    )
    table.iloc[order if order is not None else slice(None)].to_parquet(folder / f"{cell}.parquet")


def test_of_one_draw_both_classifiers_are_resampled_together_image_by_image(tmp_path):
    """Whatever the order of the rows, and by the parameters' number of resamples and seed."""
    one, other = (np.random.default_rng(s).random(40) < p for s, p in ((0, 0.5), (1, 0.8)))
    _predictions(tmp_path, "real-0", one)
    _predictions(tmp_path, "syn-0", other, np.random.default_rng(2).permutation(40))
    r = _results(_level("real", 0, accuracy=one.mean()), _level("syn", 0, accuracy=other.mean()))
    (test,) = paired_tests(r, "test", STUDY, tmp_path)
    table = pd.read_parquet(tmp_path / "syn-0.parquet")
    gain = pd.Series(other.astype(float) - one).loc[table["image_id"].str[1:].astype(int)].to_numpy()
    assert (test["low"], test["high"]) == cluster_interval(lambda rows: gain[rows].mean(), list(table["group"]), 300, 4)
    assert (test["over"], test["images"]) == ("images", "40")
    assert np.isnan(test["p"])
    _predictions(tmp_path, "syn-0", [*other[:39], True], range(39))
    with pytest.raises(DataError, match="other images of test"):
        paired_tests(r, "test", STUDY, tmp_path)


def test_a_second_seed_is_not_tested_against_what_it_repeats(tmp_path):
    rows = [_level(arm, d, accuracy=a + 0.01 * d) for arm, a in (("real", 0.5), ("real_again", 0.6)) for d in (0, 1)]
    rows += [_level("syn", d, accuracy=0.7 + 0.02 * d) for d in (0, 1)]
    tests = paired_tests(_results(*rows), "test", STUDY, tmp_path)
    assert [t["arm"] for t in tests] == ["syn"]
    half = stats.t.ppf(0.975, 1) * np.sqrt((1 / 2 + 0.25) * 0.00005)
    assert tests[0]["high"] - tests[0]["mean"] == pytest.approx(half)


def test_draws_without_spread_are_named_and_have_no_p(tmp_path):
    rows = [_level(arm, d, accuracy=a) for arm, a in (("real", 0.5), ("syn", 0.6)) for d in (0, 1, 2)]
    tests = paired_tests(_results(*rows), "test", STUDY, tmp_path)
    compared = as_one_family(tests, [], [])
    (row,) = compared.tests
    assert comparison(row, STUDY.words)[6:] == ["+10.0", "no spread between draws", "draws", "", 3]
    assert compared.family == 0


def test_a_table_tells_draws_and_images_and_no_deviation_of_one():
    rows = [_level("real", 0), _level("syn", 0, accuracy=0.4), _level("syn", 1, accuracy=0.6, n=42)]
    (row,) = table_2(_results(*rows), "test", papers=True)
    assert row["ours"] == {"real": "50.0 (1 draw)", "syn": "50.0 ± 14.1 (2 draws)"}
    assert row["images"] == "40-42"
    same = [_level("real", d) for d in (0, 1)]
    assert table_2(_results(*same), "test", papers=True)[0]["ours"] == {"real": "50.0 (2 draws, no spread)"}


def test_the_ablation_mixes_no_scenarios_and_no_architectures():
    """Deviations are over draws: two architectures that differ by 40 points have none."""
    rows = [_level("syn", 0, accuracy=a, architecture=net) for net, a in (("a", 0.3), ("b", 0.7))]
    rows += [_level("syn", 0, accuracy=0.9, scenario="i", split="i-0")]
    images = pd.DataFrame(
        [{"augmenter": "good", "split": s, "frechet_distance": f} for s, f in (("iii-0", 40.0), ("i-0", None))]
    )
    found = ablation(Results(pd.DataFrame(rows), images, pd.DataFrame()), papers=True)
    assert [(a["scenario"], a["architecture"], a["ours"]["test"], a["frechet_distance"]) for a in found] == [
        ("iii", "a", "30.0 (1 draw)", "40.000 (1 draw)"),
        ("iii", "b", "70.0 (1 draw)", "40.000 (1 draw)"),
        ("i", "a", "90.0 (1 draw)", ""),
    ]


def test_the_summary_leaves_out_what_few_images_say_and_counts_the_others(tmp_path):
    rows = [_level("real", d, t, a, n) for d in (0, 1) for t, a, n in (("5", 0.5, 48 + d), ("6", 0.2, 10 - d))]
    images = pd.DataFrame(
        [
            {
                "augmenter": "good",
                "split": s,
                "features": "shipped",
                "frechet_distance": f,
                "accepted": 5,
                "generated": 10,
            }
            for s, f in (("iii-0", 40.0), ("iii-1", 50.0), ("i-0", 100.0))
        ]
    )
    found = summary(Results(pd.DataFrame(rows), images, pd.DataFrame()), 10)
    assert found["accuracy"] == {"iii-a-real": {"test": {"5": 0.5, "6": None}}}
    assert found["test_images"] == {"iii": {"test": {"5": 48.5, "6": 9.5}}}
    assert found["draws"] == {"iii-a-real": 2}
    assert found["images"]["iii-good"] == {
        "frechet_distance": 45.0,
        "features": "shipped",
        "accepted_share": 0.5,
        "draws": 2,
    }
    assert found["images"]["i-good"]["frechet_distance"] == 100.0
    write_metrics(tmp_path / "summary.json", found)
    assert '"6": null' in (tmp_path / "summary.json").read_text()


def test_a_measure_is_cut_to_what_is_possible_and_says_what_stands_beside_it():
    row = {"minority": 0.9, "minority_low": 0.7, "minority_high": 1.3}
    assert shown.on_board(row, MINORITY) == Measured("90.0", "70.0 to 100.0")
    found = {f"frechet_distance{end}": v for end, v in (("", 3.0), ("_least", 2.0), ("_most", 4.0), ("_draws", 3))}
    same = {"frechet_distance_least": 3.0, "frechet_distance_most": 3.0}
    assert shown.on_board(found, FRECHET) == Measured("3.0", "2.0 to 4.0")
    assert shown.on_board(found | {"frechet_distance_draws": 1}, FRECHET).beside == ""
    assert shown.on_board(found | same, FRECHET).beside == "in all draws"
    assert shown.on_board({}, KERNEL) == Measured("")
    blank = dict.fromkeys(("gap", "gap_low", "gap_high"), float("nan"))
    assert shown.on_board(blank, GAP) == Measured("")


def test_dose_response_shows_the_noise_floor_apart(drawn):
    rows = [_level(arm, 0, t, scenario=s) for arm in ("real", "real_again") for s in ("iii", "iii_n4") for t in "56"]
    rows += [{**row, "level": "all", "worst_accuracy": 0.5, "gap": 0.0} for row in rows if row["level"] == "5"]
    study = dataclasses.replace(STUDY, sizes={s: {"0": {"train": n}} for s, n in (("iii", 48), ("iii_n4", 12))})
    (found,) = plates.doses(_results(*rows), study, "test").values()
    assert sorted(set(found["dose"])) == [4, 16]
    figures.dose_response(found, "title")
    styles = {line.get_label(): line.get_linestyle() for line in drawn[-1].axes[0].lines}
    assert (styles["real"], styles["real, second seed"]) == ("-", ":")


MISSING_FACTS = dict.fromkeys(("p", "predicts_label", "balanced_accuracy", "chance", "cramers_v", "images"))
ALL_SEVEN = tuple(read_yaml(ROOT / "params.yaml")["subset"]["conditions"])
PHOTOGRAPHS = {"adapter": "folder", "file": "a.jpg", "skin_source": "fitzpatrick"}
FITZPATRICK17K = {"adapter": "fitzpatrick17k", "file": "a.jpg", "skin_source": "fitzpatrick_scale"}
PHANTOMS = {"adapter": "phantom", "file": "", "skin_source": "rendered"}
PARTITIONS = ("train", "validation", "test", "test_light", "reference", "holdout", "excluded")
CELL = {"arm": "real", "architecture": "resnet18", "augmenter": "", "split": "i-0"}
CELLS = {"train_classifier": {"real-resnet18-i-0": CELL}}
CELLS |= {s: {} for s in ("invert_tokens", "finetune", "generate", "screen", "train_segmenter", "score_masks")}


def _scores(levels):
    """What ``evaluate`` writes of 40 images of each level."""
    by_level = {"accuracy": 0.5, "n": 40, "accuracy_interval": [0.4, 0.6]}
    by_level = {measure: dict.fromkeys(levels, value) for measure, value in by_level.items()}
    between = dict.fromkeys(["worst_level", *(m.name for m in CLASSIFIERS if m.between_levels)])
    whole = dict.fromkeys(["n", *(m.name for m in CLASSIFIERS if not m.between_levels)], 0.5)
    return {**whole, "accuracy_interval": [0.4, 0.6], "by_level": {**by_level, **between}}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A function from who is studied, and on what data, to the report's page: one classifier, one image."""
    monkeypatch.chdir(tmp_path)

    def write(name, content):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))

    def render(data, skin, conditions, levels):
        params = read_yaml(ROOT / "params.yaml")
        params["ingest"]["adapter"] = data["adapter"]
        params["population"] |= {"majority": skin[0], "minority": skin[1]}
        write("params.yaml", params)
        write("metrics/ingest.json", {"images": {"present": 1, "missing": 0, "quarantined": 0}})
        write("metrics/audit.json", {"missing_facts": MISSING_FACTS})
        counts = {c: dict.fromkeys(levels, 9) for c in conditions}
        dropped = {"no pixels": dict.fromkeys(levels, 1) | {"unknown": 2}}
        write("metrics/subset.json", {"policy": "clean", "counts": counts, "dropped": dropped})
        scores = _scores(levels)
        write("metrics/classification/real-resnet18-i-0.json", {"test": scores, "test_light": scores})
        (tmp_path / "data/dataset").mkdir(parents=True)
        manifest = {"image_id": ["a"], "row": 0, "file": data["file"], "skin_source": data["skin_source"]}
        pd.DataFrame(manifest).to_parquet("data/dataset/manifest.parquet")
        for name in ("pixels", "masks"):
            np.save(f"data/dataset/{name}.npy", np.zeros((1, 8, 8, 3), np.uint8))
        study = read_study({"i": {"0": dict.fromkeys(PARTITIONS, 40)}}, CELLS)
        text = report.page(findings(gather(CELLS, METRICS, SKIN_TYPE), study, CELLS))
        return html.unescape(text).split("</style>")[1].split("<h2>Parameters</h2>")[0]

    return render


def test_photographs_are_no_phantoms_and_their_levels_are_named_as_asked_for(page):
    text = page(PHOTOGRAPHS, ([1, 2], [3, 4, 5]), ["nevus", "psoriasis"], "12345")
    assert not re.findall(r"\b(?:phantom|rendered|paper|dark|light)\b", text, re.IGNORECASE)
    assert "test, skin types III, IV, V (minority)" in text
    assert "test, skin types I, II (majority)" in text


@pytest.mark.parametrize(
    ("data", "minority", "conditions", "beside"),
    [
        (PHANTOMS, [5, 6], ALL_SEVEN, True),
        (FITZPATRICK17K, [5, 6], ALL_SEVEN, True),
        (PHOTOGRAPHS, [5, 6], ALL_SEVEN, False),
        (PHANTOMS, [4], ALL_SEVEN, False),
        (FITZPATRICK17K, [5, 6], ALL_SEVEN[:3], False),
    ],
)
def test_the_papers_figures_stand_beside_its_own_study_alone(page, data, minority, conditions, beside):
    text = page(data, ([1, 2], minority), conditions, ["1", "2", *map(str, minority)])
    assert ("68.45" in text, "paper: real" in text) == (beside, beside), "Table 2, scenario i, ResNet"
    assert ("Phantom results" in text) == (data is PHANTOMS)


def test_a_study_of_groups_names_them(page, drawn):
    text = page(PHOTOGRAPHS, ([1, 2], [3, 4, 5, 6]), ["nevus", "psoriasis"], ["12", "34", "56"])
    assert "minority: skin types III-IV, V-VI" in text
    assert "test, skin types III-IV, V-VI (minority)" in text
    assert "<th>I-II</th><th>III-IV</th><th>V-VI</th>" in text
    assert "no pixels 5 (I-II: 1, III-IV: 1, V-VI: 1, unknown: 2)" in text
    ticks = [t.get_text() for t in drawn[0].axes[0].get_xticklabels()]
    assert ticks == ["I-II\nn 40", "III-IV\nn 40", "V-VI\nn 40"]
    measured = contenders(gather(CELLS, METRICS, SKIN_TYPE), "test", ("3", "4", "5", "6", "34", "56"))["real"]
    assert list(measured["minority_images"]) == [80]


def test_other_targets_than_the_minoritys_are_said():
    study = dataclasses.replace(STUDY, minority=(3, 4))
    assert beyond(study, {"other": (1, 4), "own": (3, 4)}) == ["other: skin type I"]

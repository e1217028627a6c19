"""Methods head to head: who is compared with whom, and by what."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import studies
from scipy import stats

from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.reporting.comparisons import contenders
from pipeline_steps.reporting.family import as_one_family
from pipeline_steps.reporting.figures import _cliques, critical_difference
from pipeline_steps.reporting.leaderboard import leaderboard, mean_ranks
from pipeline_steps.reporting.results import Results
from pipeline_steps.reporting.study import correction_share

SIZES = {  # n_test / n_train: 0.3, and 0.04 in scenario i
    "iii": {str(d): {"train": 100, "test": 30, "test_light": 0} for d in range(5)},
    "i": {str(d): {"train": 1400, "test": 56, "test_light": 28} for d in range(5)},
}
STUDY = replace(
    studies.STUDY,
    conditions=7,
    sizes=SIZES,
    baselines=frozenset({"real", "classic"}),
    evaluation=EvaluationParams(bootstrap_draws=200, seed=0, minimum_level_images=10),
)
ARMS = (("real", "", 0.0), ("classic", "", 0.1), ("syn", "good", 0.2), ("syn", "bad", -0.1))


def _classifiers(draws=(0, 1, 2), arms=ARMS, scenario="iii", slope=0.01):
    """Each arm's accuracy on types 5 and 6 is 0.3 and its gain, and ``slope`` more in every draw."""
    rows = []
    for draw in draws:
        for arm, augmenter, gain in arms:
            head = {"arm": arm, "augmenter": augmenter, "scenario": scenario, "architecture": "a", "draw": draw}
            few = 0.3 + gain + slope * draw
            whole = {"n": 400, "accuracy": (0.8 * 100 + few * 300) / 400, "worst_accuracy": few, "gap": 0.8 - few}
            by_level = [("1", 100, 0.8), ("5", 200, few), ("6", 100, few)]
            rows.append({**head, "partition": "holdout", "level": "all", **whole})
            rows += [{**head, "partition": "holdout", "level": t, "n": n, "accuracy": a} for t, n, a in by_level]
    return pd.DataFrame(rows)


def _images(draws=(0, 1, 2), scenario="iii", distance=2.0):
    fixed = {
        "generated": 10,
        "accepted": 8,
        "rejected_memorised": 1,
        "kernel_distance": None,
        "precision": 0.5,
        "recall": 0.5,
    }
    rows = [
        {
            "augmenter": "good",
            "split": f"{scenario}-{d}",
            "frechet_distance": distance + d,
            "condition_accuracy": 0.7,
            **fixed,
        }
        for d in draws
    ]
    return pd.DataFrame(rows)


def _results(**how):
    images = _images(how.get("draws", (0, 1, 2)))
    return Results(_classifiers(**how), images, pd.DataFrame())


def _board(r, study=STUDY, scenario="iii"):
    return leaderboard(r, "holdout", scenario, study)


def _row(board, name):
    return next(row for row in board.rows if row["name"] == name)


def test_the_best_baseline_is_the_bar():
    board = _board(_results())
    assert board.baseline == "classic"
    assert [row["name"] for row in board.rows] == ["syn of good", "classic", "real", "syn of bad"]
    best = board.rows[0]
    assert best["mean"] == pytest.approx(0.1)
    assert best["minority"] == pytest.approx(0.51)
    assert (best["rejected"], best["memorised"], best["frechet_distance"]) == (
        pytest.approx(0.2),
        pytest.approx(0.1),
        3.0,
    )
    assert board.rows[1]["mean"] == 0
    assert board.images == "300"
    assert board.ranks == {"real": 3.0, "classic": 2.0, "syn of good": 1.0, "syn of bad": 4.0}


def test_each_scenario_is_corrected_by_its_own_share():
    """Draws of 0.50, 0.51, 0.52 on the minority, so variance 1 point², with n_test / n_train 0.3 and 0.04."""
    rows = pd.concat([_classifiers(), _classifiers(scenario="i")])
    r = Results(rows, pd.DataFrame(), pd.DataFrame())
    for scenario, share in (("iii", 0.3), ("i", 0.04)):
        row = _row(_board(r, scenario=scenario), "syn of good")
        half = stats.t.ppf(0.975, 2) * np.sqrt(1 / 3 + share) * 0.01
        assert row["minority_high"] - row["minority"] == pytest.approx(half), scenario
    assert correction_share(SIZES, "i", "test_light", [0, 1]) == 0.02, "of the partition's own images"
    assert correction_share(SIZES, "i", "holdout", [0, 1]) == 0.04


def test_nothing_is_averaged_over_scenarios():
    """A scenario in which all arms are equal must not dilute another's differences, nor its distances."""
    same = tuple((arm, augmenter, 0.0) for arm, augmenter, _ in ARMS)
    rows = pd.concat([_classifiers(), _classifiers(scenario="i", arms=same)])
    r = Results(rows, pd.concat([_images(), _images(scenario="i", distance=100.0)]), pd.DataFrame())
    row = _row(_board(r), "syn of good")
    assert (row["mean"], row["frechet_distance"], row["draws"]) == (pytest.approx(0.1), 3.0, 3)
    other = _row(_board(r, scenario="i"), "syn of good")
    assert (other["mean"], other["frechet_distance"]) == (0, 101.0)


def test_of_image_measures_stand_the_lowest_and_the_highest_draw():
    row = _row(_board(_results()), "syn of good")
    assert [row[f"frechet_distance{end}"] for end in ("", "_least", "_most", "_draws")] == [3.0, 2.0, 4.0, 3]
    assert "frechet_distance_low" not in row, "an interval over draws is not earned"
    assert "kernel_distance" not in row


def test_a_draw_without_a_gap_leaves_none_over_draws():
    r = _results()
    few = r.classifiers.assign(gap=r.classifiers["gap"].where(r.classifiers["draw"] > 0))
    row = _row(_board(Results(few, r.images, r.segmenters)), "syn of good")
    assert np.isnan(row["gap"])
    assert row["worst_accuracy"] == pytest.approx(0.51)


def test_a_second_seed_is_no_contender_and_no_baseline():
    """It is better than every baseline here, and must neither be the bar nor have a rank, a row or a test."""
    r = _results(arms=(*ARMS, ("real_again", "", 0.15)))
    board = _board(r)
    assert board.baseline == "classic"
    assert "real_again" not in {row["name"] for row in board.rows} | set(board.ranks)
    assert board.ranks["syn of good"] == 1.0
    (floor,) = board.floors
    assert (floor["arm"], floor["repeats"], floor["blocks"]) == ("real_again", "real", 3)
    assert (floor["mean"], floor["largest"]) == (pytest.approx(0.15), pytest.approx(0.15))


def test_a_baseline_of_fewer_blocks_is_not_the_bar():
    """Lucky in the one draw that it took part in: the others' draws say more."""
    r = _results()
    one = _classifiers(draws=(2,), arms=(("lucky", "", 0.19),))
    study = replace(STUDY, baselines=STUDY.baselines | {"lucky"})
    board = _board(Results(pd.concat([r.classifiers, one]), r.images, r.segmenters), study)
    assert board.baseline == "classic"
    assert _row(board, "lucky")["draws"] == 1


def test_baselines_are_not_tested_and_the_family_is_the_whole_page():
    """Two contenders on each of two boards and one other test are five; the baselines' rows are none."""
    rows = pd.concat([_classifiers(arms=(arm,), slope=0.01 * (k + 1)) for k, arm in enumerate(ARMS)])
    board = _board(Results(rows, _images(), pd.DataFrame()))
    assert {row["name"] for row in board.rows if not np.isnan(row["p"])} == {"syn of good", "syn of bad"}
    assert _row(board, "real")["mean"] == pytest.approx(-0.11)
    assert np.isnan(_row(board, "real")["low"])
    compared = as_one_family([{"p": 1e-6}], [board, board], [])
    assert compared.family == 5
    assert compared.tests[0]["p_holm"] == pytest.approx(5e-6)
    by_size = sorted(row["p"] for b in compared.boards for row in b.rows if not row["baseline"])
    adjusted = sorted(row["p_holm"] for b in compared.boards for row in b.rows if not row["baseline"])
    assert adjusted[0] == pytest.approx(min(1, 4 * by_size[0]))
    assert all(np.isnan(row["p_holm"]) for b in compared.boards for row in b.rows if row["baseline"])


def test_who_missed_a_draw_is_not_ranked():
    r = _results()
    some = r.classifiers[(r.classifiers["augmenter"] != "bad") | (r.classifiers["draw"] == 0)]
    board = _board(Results(some, r.images, r.segmenters))
    assert board.blocks == 3
    assert set(board.ranks) == {"real", "classic", "syn of good"}
    assert {row["name"] for row in board.rows} == {"real", "classic", "syn of good", "syn of bad"}


def test_an_augmenter_without_a_model_is_a_baseline():
    def study(*names):
        return replace(STUDY, model_free=frozenset(names))

    assert _board(_results(), study("good")).baseline == "syn of good"
    assert _board(_results(), study("good", "bad")) is None


def test_minority_accuracy_counts_images_not_types():
    scores = contenders(_results(draws=(0,)), "holdout", ["1", "6"])
    assert scores["real"]["minority"].iloc[0] == pytest.approx((0.8 * 100 + 0.3 * 100) / 200)


def test_one_draw_gives_no_interval_and_no_ranks():
    board = _board(_results(draws=(0,)))
    assert np.isnan(board.rows[0]["low"])
    assert board.ranks == {}


def test_without_a_baseline_or_a_method_there_is_no_board():
    r = _results()
    real = r.classifiers[r.classifiers["augmenter"] == ""]
    assert _board(Results(real, r.images, r.segmenters)) is None
    assert leaderboard(r, "test", "iii", STUDY) is None


def test_the_critical_difference_is_demsars():
    """Demšar 2006, section 3.2.2: q of 5 classifiers is 2.728; 14 data sets, 4 classifiers: 2.569 and CD 1.25."""
    scores = np.random.default_rng(0).normal(size=(14, 4))
    ranks, difference = mean_ranks(scores)
    assert difference == pytest.approx(1.25, abs=0.005)
    assert sum(ranks) == pytest.approx(10)
    assert ranks[0] == pytest.approx(np.mean([stats.rankdata(-row)[0] for row in scores]))
    assert critical_difference({"a": 1.2, "b": 1.9, "c": 2.9}, 1.25).startswith(b"\x89PNG")


def test_bars_join_what_is_not_told_apart():
    assert _cliques([1.2, 1.9, 2.9, 3.9], 1.25) == [(1.2, 1.9), (1.9, 2.9), (2.9, 3.9)]
    assert _cliques([1.0, 2.0, 3.0], 5.0) == [(1.0, 3.0)]
    assert _cliques([1.0, 3.0], 0.5) == []

"""Scores of classifiers and their intervals: what can be said, and where nothing can."""

import ast
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from pydantic import ValidationError
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from pipeline_steps.evaluate import score
from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.statistics.cluster_intervals import cluster_interval, share_interval
from pipeline_steps.statistics.draws import corrected_paired_test, holm

HOW = EvaluationParams(bootstrap_draws=200, seed=0, minimum_level_images=10)


def _table(*levels):
    """Test rows: of each (skin type, condition, images, of them right), wrong ones taken for the other condition."""
    rows = []
    for skin_type, condition, n, right in levels:
        other = {"a": "b", "b": "a"}[condition]
        for k in range(n):
            predicted = condition if k < right else other
            group = f"{skin_type}{condition}{k}"
            rows.append({"level": skin_type, "condition": condition, "predicted": predicted, "group": group})
    table = pd.DataFrame(rows)
    return table.assign(**{f"p:{c}": (table["predicted"] == c).astype(float) for c in "ab"})


def _by_type(*levels, minimum=10):
    how = HOW.model_copy(update={"minimum_level_images": minimum})
    return score(_table(*levels), how)["by_level"]


def _scored(truth, predicted, skin_type):
    """Of classes, one image a group."""
    classes = {f"p:{c}": (predicted == c).astype(float) for c in sorted(set(truth) | set(predicted))}
    names = {"condition": truth, "predicted": predicted, "level": skin_type}
    return score(pd.DataFrame({**names, "group": [str(k) for k in range(len(truth))], **classes}), HOW)


def test_scores_agree_with_sklearn():
    rng = np.random.default_rng(0)
    classes = ["a", "b", "c"]
    truth = pd.Series(rng.choice(classes, 60))
    probabilities = pd.DataFrame(rng.dirichlet(np.ones(3), 60), columns=classes)
    predicted = probabilities.idxmax(axis=1)
    table = pd.DataFrame({"condition": truth, "predicted": predicted, "level": "1", "group": predicted})
    scores = score(table.join(probabilities.add_prefix("p:")), HOW)
    assert scores["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert scores["f1"] == pytest.approx(f1_score(truth, probabilities.idxmax(axis=1), average="macro"))
    assert scores["auc"] == pytest.approx(roc_auc_score(truth, probabilities, multi_class="ovr"))


def test_gaps_by_type():
    found = _by_type((1, "a", 10, 10), (1, "b", 10, 10), (6, "a", 10, 10), (6, "b", 10, 2))
    assert found["accuracy"] == {"1": 1.0, "6": 0.6}
    assert found["worst_level"] == "6"
    assert (found["worst_accuracy"], found["gap"]) == (pytest.approx(0.6), pytest.approx(0.4))


def test_equalized_odds_look_at_false_positives_too_and_equal_opportunity_at_recall_alone():
    """20 images of a, b and c on each type. On type 1 half of a and all of b are called c, on type 6 all of b a.

    Recall: of a 0.5 and 1, of b 0 and 0, of c 1 and 1. False positives: of c 30 of 40 and none, of a none and 20 of 40.
    """
    truth = pd.Series((["a"] * 20 + ["b"] * 20 + ["c"] * 20) * 2)
    predicted = pd.Series(["a"] * 10 + ["c"] * 50 + ["a"] * 40 + ["c"] * 20)
    found = _scored(truth, predicted, pd.Series([1] * 60 + [6] * 60))["by_level"]
    assert found["equalized_odds_difference"] == pytest.approx(0.75)
    assert found["equal_opportunity_difference"] == pytest.approx(0.5)
    assert found["classes_compared"] == ["a", "b", "c"]


def test_types_of_few_images_give_no_worst_type_and_no_gap():
    """One image of type 6, and it is wrong: no one may read a gap of 1 from it."""
    found = _by_type((1, "a", 20, 18), (1, "b", 20, 18), (2, "a", 20, 16), (2, "b", 20, 16), (6, "a", 1, 0))
    assert (found["worst_level"], found["gap"]) == ("2", pytest.approx(0.1))
    assert found["compared"] == ["1", "2"]
    assert (found["n"]["6"], found["accuracy"]["6"]) == (1, 0.0)
    alone = _by_type((1, "a", 20, 18), (6, "a", 1, 0))
    assert alone["worst_level"] is None
    assert math.isnan(alone["worst_accuracy"])
    assert math.isnan(alone["gap"])


def test_recall_of_few_images_enters_no_odds_difference():
    """Both types have 21 images and more, but of condition b type 6 has one, which is wrong."""
    levels = (1, "a", 20, 18), (1, "b", 20, 18), (2, "a", 20, 16), (2, "b", 20, 18), (6, "a", 20, 18), (6, "b", 1, 0)
    found = _by_type(*levels)
    assert found["compared"] == ["1", "2", "6"]
    assert found["equal_opportunity_difference"] == pytest.approx(0.1)  # of a and b on types 1 and 2
    absent = _by_type((1, "a", 20, 18), (6, "b", 20, 18))
    assert math.isnan(absent["equal_opportunity_difference"])
    assert math.isnan(absent["equalized_odds_difference"])
    assert absent["classes_compared"] == []


def test_where_all_are_right_the_interval_is_clopper_and_pearsons_over_groups():
    right, groups = np.ones(12, bool), [f"g{k // 3}" for k in range(12)]
    exact = stats.binomtest(4, 4).proportion_ci(0.95, "exact")
    assert share_interval(right, groups, 200, 0) == pytest.approx((exact.low, exact.high))
    none = stats.binomtest(0, 4).proportion_ci(0.95, "exact")
    assert share_interval(~right, groups, 200, 0) == pytest.approx((none.low, none.high))


def test_each_wrong_image_moves_an_interval_down():
    """A bootstrap beside an exact interval did not: 48 of 48 from 0.926, 47 of 48 from 0.938 to 1."""
    groups, ends = [str(k) for k in range(48)], []
    for wrong in range(25):
        low, high = share_interval(np.arange(48) >= wrong, groups, 1000, 0)
        assert low < 1 - wrong / 48 <= high
        assert wrong == 0 or high < 1
        ends.append((low, high))
    assert all(later[k] <= sooner[k] for sooner, later in pairwise(ends[:10]) for k in (0, 1))
    exact = stats.binomtest(47, 48).proportion_ci(0.95, "exact")
    assert ends[1] == pytest.approx((exact.low, exact.high))


def test_an_interval_in_the_metrics_never_has_no_width():
    found = score(_table((1, "a", 12, 12), (1, "b", 12, 12), (6, "a", 12, 0), (6, "b", 1, 0)), HOW)
    for low, high in (found["accuracy_interval"], *found["by_level"]["accuracy_interval"].values()):
        assert high - low > 0.05
    assert found["by_level"]["accuracy_interval"]["1"][0] == pytest.approx(0.025 ** (1 / 24))


def test_one_group_has_no_interval():
    values = np.array([0.0, 1.0, 1.0])
    assert all(np.isnan(cluster_interval(lambda r: values[r].mean(), ["g"] * 3, 200, 0)))
    assert all(np.isnan(share_interval(values == 1, ["g"] * 3, 200, 0)))


def test_what_never_varies_has_no_interval():
    values = np.full(9, 0.3)
    assert all(np.isnan(cluster_interval(lambda r: values[r].mean(), list("abcdefghi"), 200, 0)))


def test_clusters_widen_intervals():
    values = np.repeat(np.random.default_rng(0).random(12) < 0.5, 10).astype(float)
    alone = cluster_interval(lambda r: values[r].mean(), [str(i) for i in range(120)], 400, 0)
    grouped = cluster_interval(lambda r: values[r].mean(), [str(i // 10) for i in range(120)], 400, 0)
    assert grouped[1] - grouped[0] > 2 * (alone[1] - alone[0])


def test_a_cluster_interval_by_hand():
    """Groups of one right and one wrong image: a resample of two has 0, 1 or 2 right, with chances 1/4, 1/2, 1/4."""
    values = np.array([0.0, 1.0])
    found = [cluster_interval(lambda r: values[r].mean(), ["a", "b"], 4000, seed) for seed in range(3)]
    assert found == [(0.0, 1.0)] * 3


def test_corrected_paired_test_is_the_formula():
    d = np.array([0.02, 0.05, 0.03, 0.04, 0.01])
    t = corrected_paired_test(d, 0.2)
    error = np.sqrt((1 / 5 + 0.2) * d.var(ddof=1))
    assert t["p"] == pytest.approx(2 * stats.t.sf(d.mean() / error, 4))
    assert t["p"] > stats.ttest_1samp(d, 0).pvalue
    assert np.isnan(corrected_paired_test(d[:1], 0.2)["p"])


def test_the_correction_by_hand():
    """Differences 1, 2, 3 points: variance 1, share 1/6: error sqrt(1/3 + 1/6); t of 2 degrees is 4.303 at 5 %."""
    t = corrected_paired_test(np.array([0.01, 0.02, 0.03]), 1 / 6)
    half = 4.302653 * math.sqrt(0.5) * 0.01
    assert (t["mean"], t["low"], t["high"]) == pytest.approx((0.02, 0.02 - half, 0.02 + half))
    ratio = 2 / math.sqrt(0.5)  # p of t with two degrees in closed form
    assert t["p"] == pytest.approx(1 - ratio / math.sqrt(2 + ratio**2))


@pytest.mark.parametrize(
    "differences",
    [
        [0.05, 0.05, 0.05],
        [0.0, 0.0],
        [0.1 + 0.2, 0.3],  # apart by what floating point leaves
        [0.333333 - 0.166667, 0.666667 - 0.5, 0.5 - 0.333333],  # a sixth each, of accuracies written with six digits
    ],
)
def test_of_draws_without_spread_nothing_can_be_said(differences):
    t = corrected_paired_test(np.array(differences), 0.2)
    assert t["mean"] == pytest.approx(np.mean(differences))
    assert all(math.isnan(t[k]) for k in ("low", "high", "p"))


def test_holm_agrees_with_the_step_down_by_hand():
    assert holm([0.01, 0.04, 0.03, float("nan")])[:3] == pytest.approx([0.03, 0.06, 0.06])


def test_bootstraps_are_counted_by_parameters():
    """No call in the pipeline says how often to resample, or under which seed, in its own numbers."""
    for file in (ROOT / "pipeline_steps").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("cluster_interval", "share_interval"):
                numbers = [a.value for a in node.args if isinstance(a, ast.Constant)]
                assert numbers == [], f"{file.name}, line {node.lineno}: {numbers}"


def test_too_few_resamples_for_their_quantiles_are_refused():
    with pytest.raises(ValidationError, match="bootstrap_draws"):
        EvaluationParams(bootstrap_draws=20, seed=0, minimum_level_images=10)

"""Arms against real images: paired, without those that repeat a baseline; and the noise floor."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from studies import STUDY, classifier_results, scored

from pipeline_steps.reporting.arms import baseline_arms, noise_floors
from pipeline_steps.reporting.comparisons import floor_differences, paired_tests
from pipeline_steps.reporting.family import as_one_family
from pipeline_steps.reporting.sections.against_real import comparison
from pipeline_steps.stage.errors import DataError
from pipeline_steps.statistics.cluster_intervals import cluster_interval

PLAIN = {"images": "real", "copies": 0, "policy": "none", "mix": "none", "mix_alpha": 1.0}


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
    r = classifier_results(scored("real", 0, accuracy=one.mean()), scored("syn", 0, accuracy=other.mean()))
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
    rows = [scored(arm, d, accuracy=a + 0.01 * d) for arm, a in (("real", 0.5), ("real_again", 0.6)) for d in (0, 1)]
    rows += [scored("syn", d, accuracy=0.7 + 0.02 * d) for d in (0, 1)]
    tests = paired_tests(classifier_results(*rows), "test", STUDY, tmp_path)
    assert [t["arm"] for t in tests] == ["syn"]
    half = stats.t.ppf(0.975, 1) * np.sqrt((1 / 2 + 0.25) * 0.00005)
    assert tests[0]["high"] - tests[0]["mean"] == pytest.approx(half)


def test_draws_without_spread_are_named_and_have_no_p(tmp_path):
    rows = [scored(arm, d, accuracy=a) for arm, a in (("real", 0.5), ("syn", 0.6)) for d in (0, 1, 2)]
    tests = paired_tests(classifier_results(*rows), "test", STUDY, tmp_path)
    compared = as_one_family(tests, [], [])
    (row,) = compared.tests
    assert comparison(row, STUDY.words)[6:] == ["+10.0", "no spread between draws", "draws", "", 3]
    assert compared.family == 0

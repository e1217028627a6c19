"""What score_fid says of sets of images: distances with intervals, concepts, and who judges."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pipeline_steps.score_fid import FidParams, compare, concepts, score

HOW = FidParams(bootstrap_draws=100, minimum_images=8, neighbours=5, seed=0)


def _kinds(n, wrong, seed=0):
    """Images of two conditions that lie apart, two a group; a share of them is called by the other's name."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) // 2 % 2
    features = (rng.normal(size=(n, 8)) + 8 * np.eye(8)[truth]).astype(np.float32)
    called = np.where(np.arange(n) < wrong * n, 1 - truth, truth)
    condition = np.array(["a", "b"])[called]
    rows = {"condition": condition, "target_type": np.arange(n) % 3, "group": [f"s{i // 2}" for i in range(n)]}
    return pd.DataFrame(rows).assign(fitzpatrick_scale=rows["target_type"]), features


def test_every_printed_distance_has_an_interval():
    found = score(_kinds(40, 0.0), _kinds(60, 0.25, 1), _kinds(50, 0.0, 2), HOW)
    for part in (found["all"], found["by_type"]["0"], found["light_training_images"]):
        for name in ("frechet_distance", "kernel_distance", "precision", "recall"):
            low, high = part[f"{name}_interval"]
            assert low <= part[name] <= high, name
            assert low < high, name
    assert "frechet_distance_interval" not in found["by_condition"]["a"]
    assert compare(_kinds(6, 0.0), _kinds(60, 0.0), HOW, intervals=True)["unavailable"] == "fewer than 8 images"


def test_concept_accuracy_is_the_share_of_images_that_look_like_their_condition():
    real = _kinds(40, 0.0)
    found = concepts(real, _kinds(60, 0.25, 1), HOW)
    assert found["accuracy"] == pytest.approx(0.75)
    assert (found["judge"], found["n"]) == (1, 60)
    low, high = found["accuracy_interval"]
    assert low < 0.75 < high
    assert {t: of["n"] for t, of in found["by_type"].items()} == {"0": 20, "1": 20, "2": 20}
    one_group = _kinds(60, 0.25, 1)[0].assign(group="s")
    assert np.isnan(concepts(real, (one_group, _kinds(60, 0.25, 1)[1]), HOW)["accuracy_interval"]).all()
    assert "fewer than 8" in concepts(_kinds(6, 0.0), _kinds(60, 0.0), HOW)["unavailable"]


def test_the_judge_of_reference_images_is_none_of_their_own_group():
    """Else a near-duplicate that carries the same wrong name would vouch for it."""
    rows, features = _kinds(40, 0.0)
    features[:2] = features[0] + 6 * np.eye(8)[7]  # apart from the others, so that they are nobody else's nearest
    mislabelled = rows.assign(condition=np.where(np.arange(40) < 2, "b", rows["condition"]))
    found = concepts((mislabelled, features), _kinds(60, 0.0), HOW.model_copy(update={"neighbours": 1}))
    assert found["judge"] == pytest.approx(38 / 40)


def test_too_few_resamples_are_refused():
    with pytest.raises(ValidationError, match="bootstrap_draws"):
        FidParams(bootstrap_draws=40, minimum_images=8, neighbours=5, seed=0)

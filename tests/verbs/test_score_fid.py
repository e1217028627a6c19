"""What score_fid measures: distances with intervals where there are groups enough, and concepts without own groups."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pipeline_steps.generation.synthetic import source_groups
from pipeline_steps.measures.images.sides import Sides
from pipeline_steps.measures.images.table import DISTANCES
from pipeline_steps.records.privacy import public_ids
from pipeline_steps.score_fid import FidParams, Images, compare, condition_accuracy, score

PARAMS = FidParams(
    interval_draws=100,
    part_interval_draws=0,
    interval_groups=8,
    accuracy_draws=200,
    minimum_images=8,
    manifold_neighbours=3,
    neighbours=5,
    seed=0,
)


def _kinds(n, wrong=0.0, seed=0, name="s", size=2):
    """Images of two conditions that lie apart, two of a group each; a share of them is called by the other."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) // size % 2
    features = (rng.normal(size=(n, 8)) + 8 * np.eye(8)[truth]).astype(np.float32)
    called = np.where(np.arange(n) < wrong * n, 1 - truth, truth)
    groups = [f"{name}{i // size}" for i in range(n)]
    rows = {"condition": np.array(["a", "b"])[called], "level": (5 + np.arange(n) % 2).astype(str), "group": groups}
    return Images(pd.DataFrame(rows), features)


def test_distances_stand_beside_their_intervals_and_counts():
    real, made = _kinds(40, name="r"), _kinds(60, seed=1)
    found = compare(real, made, PARAMS, 100)
    counts = {k: found[k] for k in ("real", "generated", "real_groups", "generated_groups")}
    assert counts == {"real": 40, "generated": 60, "real_groups": 20, "generated_groups": 30}
    for measure in DISTANCES:
        assert found[measure.name] == measure.of(Sides(real.features, made.features, 3))
        low, high = found[f"{measure.name}_interval"]
        assert low < high


def test_parts_have_intervals_where_they_were_asked_for_alone():
    real, made, light = _kinds(80, name="r"), _kinds(80, seed=1), _kinds(40, seed=2, name="l")
    found = score(real, made, light, PARAMS)
    assert {"frechet_distance_interval", "recall_interval"} <= set(found["all"]) & set(
        found["majority_training_images"]
    )
    parts = [
        *found["by_level"].values(),
        *found["by_condition"].values(),
        *found["by_condition_and_type"]["a"].values(),
    ]
    assert all("frechet_distance" in part for part in parts)
    assert not any(key.endswith("interval") for part in parts for key in part)
    asked = score(real, made, light, PARAMS.model_copy(update={"part_interval_draws": 100}))
    assert asked["by_level"]["5"]["frechet_distance_interval"][0] < asked["by_level"]["5"]["frechet_distance"]


def test_too_few_images_are_named():
    found = compare(_kinds(6), _kinds(60), PARAMS, 100)
    assert found["unavailable"] == "fewer than 8 images"
    assert "frechet_distance" not in found
    assert "fewer than 8" in condition_accuracy(_kinds(6), _kinds(60), PARAMS)["unavailable"]


@pytest.mark.parametrize("name", ["interval_draws", "part_interval_draws", "accuracy_draws"])
def test_too_few_draws_for_their_quantiles_are_refused(name):
    with pytest.raises(ValidationError, match=name):
        FidParams(**{**PARAMS.model_dump(), name: 40})


def test_a_generated_image_is_of_its_sources_group():
    split = pd.DataFrame({"image_id": ["a", "b", "c"], "sha256": ["1", "2", "3"], "group": ["a", "a", "c"]})
    a, b, c = public_ids(split)
    assert source_groups(pd.Series([b, a, c, "gone"]), split) == ["a", "a", "c", "gone"]


def test_condition_accuracy_is_the_share_of_images_that_look_like_their_condition():
    found = condition_accuracy(_kinds(40, name="r"), _kinds(60, 0.25, 1), PARAMS)
    assert found["accuracy"] == pytest.approx(0.75)
    assert (found["images"], found["groups"]) == (60, 30)
    assert (found["leave_one_out_ceiling"], found["ceiling_images"]) == (1, 40)
    low, high = found["accuracy_interval"]
    assert low < 0.75 < high
    assert {t: (of["images"], of["groups"]) for t, of in found["by_level"].items()} == {"5": (30, 30), "6": (30, 30)}
    assert found["by_level"]["5"]["accuracy_interval"][0] < found["by_level"]["5"]["accuracy"]


def test_a_condition_with_too_few_reference_images_to_be_most_of_the_neighbours_has_no_condition_accuracy():
    real, made = _kinds(40, name="r"), _kinds(40)
    rare = real.rows["condition"].unique()[0]
    few = real.where(((real.rows["condition"] != rare) | (real.rows.groupby("condition").cumcount() < 3)).to_numpy())
    assert condition_accuracy(few, made, PARAMS) == {"unavailable": f"3 reference images or fewer of {rare}"}
    assert "accuracy" in condition_accuracy(real, made, PARAMS)


def test_a_skin_type_of_few_images_has_no_condition_accuracy_of_its_own():
    real, made = _kinds(40, name="r"), _kinds(40)
    types = np.where(np.arange(len(made.rows)) < 3, 5, 6)
    found = condition_accuracy(real, Images(made.rows.assign(level=types), made.features), PARAMS)
    assert set(found["by_level"]) == {"6"}


def test_images_of_one_source_have_no_interval():
    made = _kinds(60, 0.25, 1, size=60)
    assert np.isnan(condition_accuracy(_kinds(40, name="r"), made, PARAMS)["accuracy_interval"]).all()


def test_reference_images_are_no_neighbours_of_themselves():
    """Else an image that carries a wrong name would vouch for itself."""
    real = _kinds(40, name="r", size=1)
    mislabelled = real.rows.assign(condition=np.where(np.arange(40) == 0, "b", real.rows["condition"]))
    assert condition_accuracy(Images(mislabelled, real.features), _kinds(60), PARAMS)[
        "leave_one_out_ceiling"
    ] == pytest.approx(39 / 40)


def test_near_duplicates_in_the_reference_do_not_vouch_for_each_other():
    """Features without any meaning, each image there six times: what can be reached is chance, not certainty."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(60, 8)), 6, axis=0) + 0.01 * rng.normal(size=(360, 8))
    groups = np.repeat([f"r{i}" for i in range(60)], 6)
    rows = {"condition": np.repeat(rng.choice(["a", "b"], 60), 6), "level": "5", "group": groups}
    found = condition_accuracy(Images(pd.DataFrame(rows), features.astype(np.float32)), _kinds(60), PARAMS)
    assert found["leave_one_out_ceiling"] < 0.75


def test_what_all_features_share_changes_no_concept():
    rng = np.random.default_rng(0)
    (real, made) = _kinds(60, name="r"), _kinds(60, 0.25, 1)
    real, made = (Images(i.rows, i.features + 3 * rng.normal(size=i.features.shape).astype("f")) for i in (real, made))
    plain = condition_accuracy(real, made, PARAMS)
    assert 0.5 < plain["accuracy"] < 0.95
    assert (
        condition_accuracy(Images(real.rows, real.features + 40), Images(made.rows, made.features + 40), PARAMS)
        == plain
    )

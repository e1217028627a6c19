"""Screening: who is rejected, why, and how often; who never counts against an image."""

import numpy as np
import pandas as pd
import pytest

from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.screen import ScreenParams, consistency, memorisation_distance, screen, summary

HOW = ScreenParams(
    reject=("memorised", "skin_tone", "blank", "mask"),
    memorisation_quantile=0.01,
    neighbours=5,
    tone_tolerance=1,
    blank_contrast=1.0,
    mask_area=(0.005, 0.9),
    mask_largest_part=0.3,
)


def _training(groups=None):
    conditions = ["psoriasis", "folliculitis"] * 10
    rows = pd.DataFrame({"image_id": [f"t{i}" for i in range(20)], "condition": conditions})
    return rows.assign(group=groups or list(rows["image_id"]))


def _made(sources):
    names = [f"{i}.png" for i in range(len(sources))]
    return pd.DataFrame({"file_name": names, "condition": "psoriasis", "target_type": 6, "source_id": sources})


def _dark(n):
    return np.stack([render_condition("psoriasis", 6, i).image for i in range(n)])


def _features(n, seed):
    return np.random.default_rng(seed).normal(size=(n, 16)).astype(np.float32)


def test_copies_wrong_tones_and_blanks_are_rejected_and_told_why():
    light = render_condition("psoriasis", 1, 9).image
    images = np.concatenate([_dark(4), light[None], np.full((1, 64, 64, 3), 60, np.uint8)])
    train, made = _features(20, 0), _features(6, 1)
    made[0] = train[7]  # a copy of somebody else's image
    made[1] = train[3]  # a copy of its own source: by design
    table = _made(["t1", "t3", "t1", "t1", "t1", "t1"])
    verdicts, threshold = screen(table, images, (made, train, _features(30, 2)), _training(), HOW)
    assert list(verdicts["accepted"]) == [False, True, True, True, False, False]
    assert verdicts["reasons"][0] == "memorised"
    assert verdicts["nearest_train"][0] == "t7"
    assert verdicts["source_distance"][1] == pytest.approx(0, abs=1e-6)
    assert verdicts["reasons"][4] == "skin_tone"
    assert "blank" in verdicts["reasons"][5]
    counted = summary(verdicts, threshold, 30, HOW)
    assert counted["rejected_by_type"]["memorised"] == {"6": 1}
    assert counted["held_out_share_below"] == pytest.approx(1 / 31), "30 images can't tell one per cent"


def test_another_photograph_of_the_sources_lesion_memorises_nothing():
    """The source's group is near by design, as the source is; the same copy from another group is memorised."""
    train, made = _features(20, 0), _features(1, 1)
    made[0] = train[7]
    features = (made, train, _features(30, 2))
    groups = [f"g{i}" for i in range(20)]
    groups[1] = groups[7] = "lesion"
    own, _ = screen(_made(["t1"]), _dark(1), features, _training(groups), HOW)
    assert (own["reasons"][0], own["nearest_train"][0] != "t7") == ("", True)
    other, _ = screen(_made(["t2"]), _dark(1), features, _training(groups), HOW)
    assert other["reasons"][0] == "memorised"


def test_angles_are_taken_about_the_mean_of_the_training_images():
    """Features that all lie far from the origin, in one corner, would otherwise all resemble each other."""
    train, made, validation = _features(20, 0), _features(6, 1), _features(30, 2)
    plain, limit = screen(_made(["t1"] * 6), _dark(6), (made, train, validation), _training(), HOW)
    far = [x + np.float32(50) for x in (made, train, validation)]
    moved, moved_limit = screen(_made(["t1"] * 6), _dark(6), tuple(far), _training(), HOW)
    assert np.allclose(plain["distance"], moved["distance"], atol=1e-3)
    assert list(plain["nearest_train"]) == list(moved["nearest_train"])
    assert moved_limit == pytest.approx(limit, abs=1e-3)


def test_the_memorisation_distance_is_a_held_out_one():
    """A hundred images tell one per cent; of fewer it is the smallest distance, never one between two of them."""
    train, validation = _features(20, 0), _features(250, 2)
    centre = train.mean(0)
    unit = [(x - centre) / np.linalg.norm(x - centre, axis=1, keepdims=True) for x in (validation, train)]
    distances = np.sort(1 - (unit[0] @ unit[1].T).max(1))
    assert memorisation_distance(train, validation, 0.01) == pytest.approx(distances[2], abs=1e-6)
    assert memorisation_distance(train, validation[:0], 0.01) == -1
    some = 1 - (unit[0][:30] @ unit[1].T).max(1)
    assert memorisation_distance(train, validation[:30], 0.01) == pytest.approx(some.min(), abs=1e-6)


def test_where_all_training_images_are_of_the_sources_group_nothing_is_memorised():
    train, made = _features(20, 0), _features(1, 1)
    made[0] = train[7]
    verdicts, _ = screen(_made(["t1"]), _dark(1), (made, train, _features(30, 2)), _training(["g"] * 20), HOW)
    assert (verdicts["reasons"][0], verdicts["nearest_train"][0], verdicts["judged_condition"][0]) == ("", "", "")


def test_class_consistency_is_told_by_type():
    table = pd.DataFrame({"condition": ["a", "b", "b"], "target_type": [5, 5, 6]})
    found = consistency(table, np.array(["a", "a", "b"]), "target_type")
    assert found == {"5": {"agrees": 0.5, "images": 2}, "6": {"agrees": 1.0, "images": 1}}

"""Segmenters, their scores, and what screening makes of generated masks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from data_sets import write_data_set
from small_models import supervision

from pipeline_steps.evaluate import EvaluationParams, overlaps, score_overlaps
from pipeline_steps.items.store import ItemStore
from pipeline_steps.measures.segmenters.overlap import dice, iou
from pipeline_steps.pixels.appearance import appearances
from pipeline_steps.score_masks import agreement
from pipeline_steps.screen import ScreenParams, implausible
from pipeline_steps.stage.errors import DataError
from pipeline_steps.train_inpaint import ellipse
from pipeline_steps.train_segmenter import synthetic_pairs
from pipeline_steps.vision.segmentation import fit_segmenter, new_segmenter, segment
from pipeline_steps.vision.views import IMAGENET, Labelled

HOW = supervision(updates=30, batch_size=8, learning_rate=5e-3, validate_every=15)


def _pairs(n, seed=0):
    """Bright ellipses on noise."""
    rng = np.random.default_rng(seed)
    masks = np.stack([ellipse(rng, 32, (0.15, 0.35)) for _ in range(n)])
    images = rng.integers(0, 100, size=(n, 32, 32, 3), dtype=np.uint8)
    images[masks] += 120
    return Labelled(images, masks)


def test_a_segmenter_learns_and_repeats_its_bits():
    states = []
    for _ in range(2):
        network = new_segmenter("resnet18", 3, pretrained=False, seed=5)
        fitted = fit_segmenter(network, _pairs(64), _pairs(16, 1), HOW, "test", norm=IMAGENET)
        states.append(fitted.state)
        assert fitted.history[-1][2] > 0.8
        network.load_state_dict(fitted.state)
        again = dice(_segmented(network, _pairs(16, 1).images), _pairs(16, 1).labels).mean()
        assert again == pytest.approx(max(s for _, _, s in fitted.history))
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def _segmented(network, images):
    return np.concatenate([found for _, found in segment(network, images, 32, IMAGENET)])


def test_masks_come_back_at_the_images_own_size_with_their_rows():
    network = new_segmenter("resnet18", 3, pretrained=False, seed=5)
    parts = list(segment(network, np.zeros((67, 48, 40, 3), np.uint8), 32, IMAGENET))
    assert [(rows, found.shape) for rows, found in parts] == [
        (slice(0, 64), (64, 48, 40)),
        (slice(64, 67), (3, 48, 40)),
    ]


def test_overlap_scores_agree_with_their_definitions():
    one, other = _pairs(9).labels, _pairs(9, 3).labels
    a, b = dice(one, other), iou(one, other)
    assert np.allclose(a, 2 * b / (1 + b)), "Dice is a function of IoU"
    assert (dice(one, one) == 1).all()
    assert (dice(one, ~one) == 0).all()
    empty = np.zeros_like(one)
    assert np.isnan(dice(empty, empty)).all()
    assert np.isnan(iou(empty, empty)).all()
    assert (iou(empty, one) == 0).all()


def test_overlap_of_masks_counted_by_hand():
    """One covers 6 pixels, the other 4, both 3: Dice 2*3/(6+4), IoU 3/(6+4-3)."""
    one, other = np.zeros((1, 4, 4), bool), np.zeros((1, 4, 4), bool)
    one[0, :2, :3] = True
    other[0, :3, 2] = True
    other[0, 1, 1] = True
    assert (one.sum(), other.sum(), (one & other).sum()) == (6, 4, 3)
    assert dice(one, other) == pytest.approx([0.6])
    assert iou(one, other) == pytest.approx([3 / 7])


def test_overlaps_are_reported_by_type_with_intervals():
    table = pd.DataFrame(
        {
            "mask": [*["marked"] * 5, "none", "none", "empty"],
            "dice": [0.2, 0.4, 0.6, 0.8, 0.5, np.nan, np.nan, np.nan],
            "iou": [0.1, 0.2, 0.3, 0.4, 0.3, np.nan, np.nan, np.nan],
            "level": list("11665546"),
            "group": list("abcdefgh"),
        }
    )
    scores = score_overlaps(table, EvaluationParams(bootstrap_draws=100, seed=0, minimum_level_images=2))
    assert scores["dice"] == pytest.approx(0.5)
    assert scores["by_level"]["6"]["dice"] == pytest.approx(0.7)
    assert scores["dice_interval"][0] < 0.5 < scores["dice_interval"][1]
    assert {t: (found["n"], found["few"]) for t, found in scores["by_level"].items()} == {
        "1": (2, False),
        "5": (1, True),
        "6": (2, False),
    }
    assert (scores["n"], scores["without_mask"], scores["without_mask_by_type"]) == (5, 2, {"4": 1, "5": 1})
    assert (scores["empty_mask"], scores["empty_mask_by_type"]) == (1, {"6": 1})


def test_agreement_is_told_by_type():
    found = agreement(np.array([0.2, 0.4, 0.9, np.nan]), np.array(list("1166")))
    assert found["by_level"]["1"] == {"dice": pytest.approx(0.3), "images": 2, "nothing_marked": 0}
    assert found["by_level"]["6"] == {"dice": pytest.approx(0.9), "images": 1, "nothing_marked": 1}


def test_two_empty_masks_are_no_agreement(tmp_path):
    """A data set whose masks were all read as empty had a Dice of 1."""
    empty, tests = np.zeros((2, 8, 8), bool), pd.DataFrame({"image_id": ["a", "b"], "level": "5"})
    data = write_data_set(tmp_path, pd.DataFrame({"image_id": ["a", "b"]}), np.zeros((2, 8, 8, 3), np.uint8), empty)
    table = overlaps(data, tests, Path("none"), {})
    assert list(table["mask"]) == ["empty", "empty"]
    assert table["dice"].isna().all()
    pairs = Labelled(np.zeros((2, 8, 8, 3), np.uint8), empty)
    with pytest.raises(DataError, match="none of 2 validation masks marks anything"):
        fit_segmenter(None, pairs, pairs, None, "segmenter real", norm=IMAGENET)


def test_masks_that_no_lesion_has_are_found(tmp_path):
    params = ScreenParams(
        reject=("mask",),
        memorisation_quantile=0.01,
        neighbours=5,
        tone_tolerance=2,
        tone_largest_error=0.1,
        blank_contrast=1.0,
        mask_area=(0.005, 0.9),
        mask_largest_part=0.3,
    )
    good = _pairs(1).labels[0]
    fragments = np.zeros((32, 32), bool)
    fragments[::4, ::4] = True
    masks = np.stack([good, np.zeros_like(good), np.ones_like(good), fragments])
    looks = appearances(np.zeros((4, 32, 32, 3), np.uint8), range(4), masks, ItemStore(tmp_path))
    assert list(implausible(looks, params)) == [False, True, True, True]


def test_an_augmenter_without_masks_trains_no_segmenter(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    pd.DataFrame({"file_name": ["a.png"], "source_id": ["x"]}).to_csv(tmp_path / "metadata.csv", index=False)
    screened = tmp_path / "screened.parquet"
    pd.DataFrame({"file_name": ["a.png"], "accepted": [True]}).to_parquet(screened)
    with pytest.raises(DataError, match="holds no masks"):
        synthetic_pairs(tmp_path, screened, 0)

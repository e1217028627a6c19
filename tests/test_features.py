"""Distances agree with their definitions and with clean-fid; neighbours are nearest."""

import numpy as np
import pandas as pd
import pytest
from cleanfid.fid import frechet_distance as reference_frechet

from pipeline_steps.features.distances import (
    bootstrap_interval,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from pipeline_steps.features.extractors import extractor
from pipeline_steps.features.neighbours import close_pairs, majority_label, nearest
from pipeline_steps.records.errors import DataError
from pipeline_steps.score_fid import FidParams, concepts
from pipeline_steps.screen import ScreenParams, consistency, screen


def _sets(n=60, m=80, d=12, shift=0.5):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)).astype(np.float32), (rng.normal(size=(m, d)) * 1.3 + shift).astype(np.float32)


def test_frechet_of_a_set_with_itself_is_nothing():
    a, _ = _sets()
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("limit", [0, 1500])
def test_frechet_agrees_with_clean_fid(monkeypatch, limit):
    monkeypatch.setattr("pipeline_steps.features.distances._DUAL_LIMIT", limit)
    a, b = _sets()
    expected = reference_frechet(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_frechet_of_shifted_copies_is_the_squared_shift():
    a, _ = _sets()
    assert frechet_distance(a, a + 2) == pytest.approx(4 * a.shape[1], rel=1e-5)


def test_kernel_distance_is_unbiased():
    rng = np.random.default_rng(1)
    values = [kernel_distance(rng.normal(size=(20, 4)), rng.normal(size=(20, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


def test_precision_and_recall_tell_fidelity_from_coverage():
    rng = np.random.default_rng(2)
    real = rng.normal(size=(300, 3)).astype(np.float32)
    narrow = (rng.normal(size=(300, 3)) * 0.2).astype(np.float32)
    precision, recall = precision_recall(real, narrow)
    assert precision > 0.95
    assert recall < 0.3
    assert precision_recall(real, real + 100) == (0, 0)


def test_interval_holds_the_point_and_shrinks():
    a, b = _sets(200, 200)
    low, high = bootstrap_interval(frechet_distance, a, b, 40, 0)
    few_low, few_high = bootstrap_interval(frechet_distance, a[:20], b[:20], 40, 0)
    assert low < frechet_distance(a, b) < high
    assert few_high - few_low > high - low


def test_neighbours():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 8)).astype(np.float32)
    index, distance = nearest(x[10:20] * 3, x)
    assert list(index) == list(range(10, 20))
    assert np.allclose(distance, 0, atol=1e-6)
    doubled = np.concatenate([x, x[:2] + 1e-4])
    assert [(i, j) for i, j, _ in close_pairs(doubled, 0.9999)] == [(0, 50), (1, 51)]


def test_screen_rejects_copies_wrong_tones_and_blanks_and_says_why():
    import pandas as pd

    from pipeline_steps.datasets.phantom.render import render_condition

    dark = np.stack([render_condition("psoriasis", 6, i).image for i in range(4)])
    light = render_condition("psoriasis", 1, 9).image
    images = np.concatenate([dark, light[None], np.full((1, 64, 64, 3), 60, np.uint8)])
    rng = np.random.default_rng(0)
    train = rng.normal(size=(20, 16)).astype(np.float32)
    made = rng.normal(size=(6, 16)).astype(np.float32)
    made[0] = train[7]  # a copy of somebody else's image
    made[1] = train[3]  # a copy of its own source: by design
    table = pd.DataFrame(
        {
            "file_name": [f"{i}.png" for i in range(6)],
            "condition": "psoriasis",
            "target_type": 6,
            "source_id": ["t1", "t3", "t1", "t1", "t1", "t1"],
        }
    )
    params = ScreenParams(
        reject=("memorised", "skin_tone", "blank", "mask"),
        memorisation_quantile=0.01,
        tone_tolerance=1,
        blank_contrast=1.0,
        mask_area=(0.005, 0.9),
        mask_largest_part=0.3,
    )
    validation = rng.normal(size=(30, 16)).astype(np.float32)
    training = pd.DataFrame({"image_id": [f"t{i}" for i in range(20)], "condition": ["psoriasis", "folliculitis"] * 10})
    verdicts, _ = screen(table, images, (made, train, validation), training, params)
    assert list(verdicts["accepted"]) == [False, True, True, True, False, False]
    assert verdicts["reasons"][0] == "memorised"
    assert verdicts["nearest_train"][0] == "t7"
    assert verdicts["source_distance"][1] == pytest.approx(0, abs=1e-6)
    assert verdicts["reasons"][4] == "skin_tone"
    assert "blank" in verdicts["reasons"][5]


def test_the_majority_of_near_references_names_the_class():
    similarity = np.array([[0.9, 0.8, 0.1, 0.7], [-np.inf, 0.1, 0.9, 0.2]], np.float32)
    labels = np.array(["b", "a", "c", "a"])
    assert list(majority_label(similarity, labels, 3)) == ["a", "a"]
    assert list(majority_label(similarity, labels, 1)) == ["b", "c"]


def test_class_consistency_is_told_by_type():
    import pandas as pd

    table = pd.DataFrame({"condition": ["a", "b", "b"], "target_type": [5, 5, 6]})
    found = consistency(table, np.array(["a", "a", "b"]), "target_type")
    assert found == {"5": {"agrees": 0.5, "images": 2}, "6": {"agrees": 1.0, "images": 1}}


def test_clip_features_come_from_a_local_folder(tmp_path):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        projection_dim=8,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path)
    e = extractor("clip", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 255, (3, 48, 48, 3), dtype=np.uint8)
    features = e.extract(images)
    assert features.shape == (3, 8)
    assert not np.allclose(features[0], features[1])


@pytest.mark.parametrize(("name", "match"), [("inception", "does not exist"), ("clip", "no CLIP"), ("x", "none of")])
def test_missing_extractors_say_what_to_do(tmp_path, name, match):
    with pytest.raises(DataError, match=match):
        extractor(name, str(tmp_path / "nothing"))


def test_a_wrong_inception_file_is_refused(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"anything")
    with pytest.raises(DataError, match="SHA-256 differs"):
        extractor("inception", str(tmp_path / "w.pt"))


def _kinds(n, wrong, seed=0):
    """Images of two conditions that lie apart, each of a source of its own; a share of them is called by the other."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    features = (rng.normal(size=(n, 8)) + 8 * np.eye(8)[truth]).astype(np.float32)
    called = np.where(np.arange(n) < wrong * n, 1 - truth, truth)
    condition = np.array(["a", "b"])[called]
    rows = {"condition": condition, "target_type": np.arange(n) % 3, "source_id": [f"s{i // 2}" for i in range(n)]}
    return pd.DataFrame(rows), features


def test_concept_accuracy_is_the_share_of_images_that_look_like_their_condition():
    params = FidParams(bootstrap_draws=2, concept_draws=200, minimum_images=8, seed=0)
    real = _kinds(40, 0.0)
    found = concepts(real, _kinds(60, 0.25, 1), params)
    assert found["accuracy"] == pytest.approx(0.75)
    assert found["judge"] == 1
    low, high = found["accuracy_interval"]
    assert low < 0.75 < high
    assert set(found["by_type"]) == {"0", "1", "2"}
    one_source = _kinds(60, 0.25, 1)[0].assign(source_id="s")
    assert concepts(real, (one_source, _kinds(60, 0.25, 1)[1]), params)["accuracy_interval"] == pytest.approx(
        [0.75] * 2
    )
    assert "fewer than 8" in concepts(_kinds(6, 0.0), _kinds(60, 0.0), params)["unavailable"]


def test_the_judge_of_reference_images_is_none_of_themselves():
    """Else an image that carries a wrong name would vouch for itself."""
    rows, features = _kinds(40, 0.0)
    mislabelled = rows.assign(condition=np.where(np.arange(40) == 0, "b", rows["condition"]))
    params = FidParams(bootstrap_draws=2, concept_draws=10, minimum_images=8, seed=0)
    assert concepts((mislabelled, features), _kinds(60, 0.0), params)["judge"] == pytest.approx(39 / 40)

"""Feature extractors and neighbours."""

import numpy as np
import pytest

from pipeline_steps.features.extractors import extractor
from pipeline_steps.features.neighbours import among_others, close_pairs, majority_label, similarities
from pipeline_steps.records.errors import DataError


def test_the_nearest_is_found_whatever_its_length():
    x = np.random.default_rng(3).normal(size=(50, 8)).astype(np.float32)
    centre = x.mean(0)
    found = similarities((x[10:20] - centre) * 3 + centre, x)
    assert list(found.argmax(1)) == list(range(10, 20))
    assert np.allclose(found.max(1), 1, atol=1e-6)


def test_close_pairs_are_those_about_the_mean():
    """Two images of fifty are there again, a little changed; far from the origin everything would be close."""
    x = np.random.default_rng(3).normal(size=(50, 8)).astype(np.float32)
    doubled = np.concatenate([x, x[:2] + 1e-4])
    for offset in (0, 30):
        assert [(i, j) for i, j, _ in close_pairs(doubled + np.float32(offset), 0.9999)] == [(0, 50), (1, 51)]


def test_the_majority_of_near_references_names_the_class():
    similarity = np.array([[0.9, 0.8, 0.1, 0.7], [-np.inf, 0.1, 0.9, 0.2]], np.float32)
    labels = np.array(["b", "a", "c", "a"])
    assert list(majority_label(similarity, labels, 3)) == ["a", "a"]
    assert list(majority_label(similarity, labels, 1)) == ["b", "c"]


def test_who_is_left_out_has_no_vote():
    similarity = np.array([[0.9, 0.8, 0.1]], np.float32)
    left = among_others(similarity, np.array(["g"]), np.array(["g", "g", "h"]))
    assert list(majority_label(left, np.array(["a", "a", "b"]), 3)) == ["b"]
    assert list(
        majority_label(among_others(similarity, np.array(["g"]), np.array(["g"] * 3)), np.array(["a"] * 3), 3)
    ) == [""]


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

"""Neighbours by cosine similarity: from one centre, and never of one's own group."""

import numpy as np
import pytest

from pipeline_steps.features.neighbours import (
    close_pairs,
    cosine_similarity,
    majority_label,
    nearest,
    similarity_to_others,
)


def _rows(n=50, d=8, seed=3):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_cosines_are_taken_from_the_references_mean():
    references = np.array([[0, 0], [2, 0], [0, 2], [2, 2]], np.float32)  # around (1, 1)
    queries = np.array([[3, 1], [1, 5]], np.float32)  # to the right of it, and above
    half = 1 / np.sqrt(2)
    expected = [[-half, half, -half, half], [-half, -half, half, half]]
    assert cosine_similarity(queries, references) == pytest.approx(np.array(expected))


def test_what_all_images_share_says_nothing():
    """Features of real networks lie far from zero, all on one side: only differences tell images apart."""
    queries, references = _rows(20), _rows(30, seed=4)
    shifted = cosine_similarity(queries + 50, references + 50)
    assert shifted == pytest.approx(cosine_similarity(queries, references), abs=1e-4)
    doubled = np.concatenate([references, references[:2] + 1e-4])
    assert close_pairs(doubled + 50, 0.9999) == [(0, 30), (1, 31)]


def test_other_queries_change_no_neighbour():
    queries, references = _rows(20), _rows(30, seed=4)
    among = cosine_similarity(queries, references)
    assert cosine_similarity(queries[:1], references) == pytest.approx(among[:1], abs=1e-6)
    assert cosine_similarity(np.concatenate([queries, queries + 9]), references)[:20] == pytest.approx(among, abs=1e-6)


def test_the_own_group_is_no_neighbour():
    references = _rows()
    groups = [f"g{i // 2}" for i in range(50)]
    index, distance = nearest(similarity_to_others(references[10:20], references, ["new"] * 10, groups))
    assert list(index) == list(range(10, 20))
    assert distance == pytest.approx(np.zeros(10), abs=1e-6)
    index, distance = nearest(similarity_to_others(references[10:20], references, groups[10:20], groups))
    assert not {groups[i] for i in index} & set(groups[10:12])
    assert all(groups[i] != own for i, own in zip(index, groups[10:20], strict=True))
    assert (distance > 0.01).all()


def test_where_all_are_of_the_own_group_there_is_no_neighbour():
    similarity = similarity_to_others(_rows(2), _rows(3), ["a", "b"], ["a"] * 3)
    index, distance = nearest(similarity)
    assert index[0] == -1
    assert np.isposinf(distance[0])
    assert index[1] >= 0
    assert list(majority_label(similarity, np.array(["x", "y", "y"]), 3)) == ["", "y"]


def test_the_majority_of_near_references_names_the_class():
    similarity = np.array([[0.9, 0.8, 0.1, 0.7], [-np.inf, 0.1, 0.9, 0.2]], np.float32)
    labels = np.array(["b", "a", "c", "a"])
    assert list(majority_label(similarity, labels, 3)) == ["a", "a"]
    assert list(majority_label(similarity, labels, 1)) == ["b", "c"]


def test_who_is_left_out_has_no_vote():
    similarity = np.array([[-np.inf, 0.1, -np.inf]], np.float32)
    assert list(majority_label(similarity, np.array(["a", "b", "a"]), 3)) == ["b"]

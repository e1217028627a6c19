"""Neighbours by cosine similarity: from one centre, and never of one's own group."""

from collections import Counter

import numpy as np
import pytest

from pipeline_steps.features.neighbours import close_pairs, neighbours, similarity_to_others


def _rows(n=50, d=8, seed=3):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def cosine_similarity(queries, references):
    """All of it, where nothing is of one group."""
    groups = [[f"{side}{i}" for i in range(len(rows))] for side, rows in (("q", queries), ("r", references))]
    return np.concatenate(list(similarity_to_others(queries, references, *groups)))


def nearest(queries, references, groups, reference_groups):
    found = neighbours(
        similarity_to_others(queries, references, groups, reference_groups), np.array(reference_groups), 1
    )
    return found.index, found.distance


def labels_of(similarity, labels, k):
    """In two blocks."""
    whole = np.array(similarity, np.float32)
    return list(neighbours([whole[:1], whole[1:]], np.array(labels), k).label)


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
    index, distance = nearest(references[10:20], references, ["new"] * 10, groups)
    assert list(index) == list(range(10, 20))
    assert distance == pytest.approx(np.zeros(10), abs=1e-6)
    index, distance = nearest(references[10:20], references, groups[10:20], groups)
    assert not {groups[i] for i in index} & set(groups[10:12])
    assert all(groups[i] != own for i, own in zip(index, groups[10:20], strict=True))
    assert (distance > 0.01).all()


def test_where_all_are_of_the_own_group_there_is_no_neighbour():
    found = neighbours(similarity_to_others(_rows(2), _rows(3), ["a", "b"], ["a"] * 3), np.array(["x", "y", "y"]), 3)
    assert found.index[0] == -1
    assert np.isposinf(found.distance[0])
    assert found.index[1] >= 0
    assert list(found.label) == ["", "y"]


def test_the_majority_of_near_references_names_the_class():
    similarity = [[0.9, 0.8, 0.1, 0.7], [-np.inf, 0.1, 0.9, 0.2]]
    assert labels_of(similarity, ["b", "a", "c", "a"], 3) == ["a", "a"]
    assert labels_of(similarity, ["b", "a", "c", "a"], 1) == ["b", "c"]


def test_who_is_left_out_has_no_vote():
    assert labels_of([[-np.inf, 0.1, -np.inf]], ["a", "b", "a"], 3) == ["b"]


def test_no_queries_have_no_neighbours():
    found = neighbours(similarity_to_others(_rows(0), _rows(3), [], list("abc")), np.array(["x", "y", "y"]), 3)
    assert len(found.index) == len(found.distance) == len(found.label) == 0


def _direct(queries, references, groups, reference_groups, labels, k):
    """Of all similarities at once: index and distance of the nearest, and the label of most of the ``k`` nearest."""
    centre = references.mean(0)
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries - centre, references - centre))
    similarity = a @ b.T
    similarity[np.array(groups)[:, None] == np.array(reference_groups)] = -np.inf
    top = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    index, distance, label = [], [], []
    for row, near in zip(similarity, top, strict=True):
        votes = Counter(labels[i] for i in near if np.isfinite(row[i]))
        index.append(near[0] if votes else -1)
        distance.append(1 - row[near[0]])
        label.append(min(votes, key=lambda name: (-votes[name], name), default=""))
    return index, distance, label


@pytest.mark.parametrize("block", [1, 1000, 2**26])
@pytest.mark.parametrize("seed", range(8))
def test_blocks_find_the_neighbours_of_the_whole_matrix(monkeypatch, block, seed):
    """With equal similarities (rows that are there twice), groups that are everything, more neighbours than rows."""
    monkeypatch.setattr("pipeline_steps.statistics.blocks.BLOCK", block)
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 40)), int(rng.integers(2, 60))
    queries, references = _rows(n, seed=seed), _rows(m, seed=seed + 100)
    references[m // 2 :] = references[: m - m // 2]
    names = [f"g{i}" for i in range(int(rng.integers(1, 6)))]
    groups, reference_groups = (list(rng.choice(names, size)) for size in (n, m))
    labels, k = rng.choice(list("edcba"), m), int(rng.integers(1, 8))
    found = neighbours(similarity_to_others(queries, references, groups, reference_groups), labels, k)
    index, distance, label = _direct(queries, references, groups, reference_groups, labels, k)
    assert list(found.index) == index
    assert found.distance == pytest.approx(np.array(distance), rel=1e-5, abs=1e-6)
    assert list(found.label) == label


@pytest.mark.parametrize("block", [1, 1000, 2**26])
def test_blocks_find_all_close_pairs(monkeypatch, block):
    monkeypatch.setattr("pipeline_steps.statistics.blocks.BLOCK", block)
    features = np.concatenate([_rows(40), _rows(40) + 0.1 * _rows(40, seed=9)])
    away = features - features.mean(0)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    expected = [(i, j) for i in range(80) for j in range(i + 1, 80) if away[i] @ away[j] >= 0.9]
    assert len(expected) > 30
    assert close_pairs(features, 0.9) == expected

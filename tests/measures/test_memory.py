"""Ten times the images need no more memory than their features and a block: no matrix of all pairs is held."""

import tracemalloc

import numpy as np
import pytest

from pipeline_steps.features.neighbours import close_pairs, neighbours, similarity_to_others
from pipeline_steps.measures.images.intervals import Halves, distance_intervals
from pipeline_steps.measures.images.sides import Sides
from pipeline_steps.measures.images.table import DISTANCES

BLOCK, N, D, DRAWS = 2**17, 250, 4, 8
LINEAR = 200  # bytes an image: its row of features in two precisions, of halves, of numbers, of names in a list
CONSTANT = 8 * BLOCK


def _features(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)


def _sides(n):
    return Sides(_features(n), _features(n, 1), 3)


def _halves(n):
    groups = [str(i) for i in range(n)], [str(i) for i in range(n)]
    values = {m.name: 0.0 for m in DISTANCES}
    return lambda: distance_intervals(_sides(n), values, groups, Halves(DRAWS, 0, 8))


def _neighbours(n):
    names, labels = [str(i) for i in range(n)], np.resize(np.array(["a", "b", "c"]), n)
    queries, references = _features(n), _features(n, 1)
    return lambda: neighbours(similarity_to_others(queries, references, names, names), labels, 5)


def _distance(measure_of):
    return lambda n: lambda: measure_of(_sides(n))


WORK = {
    **{m.name: _distance(m.of) for m in DISTANCES},
    "intervals": _halves,
    "neighbours": _neighbours,
    "close_pairs": lambda n: lambda: close_pairs(_features(n), 0.9999),
}


def _peak(work):
    """Bytes that numpy and Python held at most, beside what was there before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", WORK)
def test_memory_grows_by_features_and_not_by_pairs(monkeypatch, name):
    monkeypatch.setattr("pipeline_steps.statistics.blocks.BLOCK", BLOCK)
    few, many = WORK[name](N), WORK[name](10 * N)
    few()  # what is imported late stays
    grown, allowed = _peak(many) - _peak(few), CONSTANT + LINEAR * 10 * N
    assert grown < allowed
    assert allowed < (10 * N) ** 2 / 2, "or half a matrix of truths would pass"

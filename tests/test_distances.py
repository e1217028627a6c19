"""Distances agree with clean-fid and with cases computed by hand; their intervals hold what they say they hold."""

import numpy as np
import pytest
from cleanfid.fid import frechet_distance as reference_frechet
from cleanfid.fid import kernel_distance as reference_kernel

from pipeline_steps.features.distances import frechet_distance, kernel_distance, precision_recall
from pipeline_steps.features.resampling import distance_intervals, frechet_of, kernel_of, products


def _sets(n=60, m=80, d=12, shift=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)).astype(np.float32), (rng.normal(size=(m, d)) * 1.3 + shift).astype(np.float32)


def test_frechet_of_a_set_with_itself_is_nothing():
    a, _ = _sets()
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("limit", [0, 1500])
def test_frechet_agrees_with_clean_fid(monkeypatch, limit):
    monkeypatch.setattr("pipeline_steps.features.distances.DUAL_LIMIT", limit)
    a, b = _sets()
    expected = reference_frechet(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_kernel_distance_agrees_with_clean_fid():
    """Theirs averages over random subsets of equal size; one subset of all rows is the estimate itself."""
    a, b = _sets(50, 50)
    assert kernel_distance(a, b) == pytest.approx(reference_kernel(a, b, num_subsets=1, max_subset_size=50), rel=1e-4)


@pytest.mark.parametrize("limit", [0, 1500])
def test_frechet_of_numbers_by_hand(monkeypatch, limit):
    """Means 1 and 4, variances 2 and 8: (1 - 4)^2 + 2 + 8 - 2 sqrt(2 * 8) = 11."""
    monkeypatch.setattr("pipeline_steps.features.distances.DUAL_LIMIT", limit)
    a, b = np.array([[0.0], [2.0]], np.float32), np.array([[2.0], [6.0]], np.float32)
    assert frechet_distance(a, b) == pytest.approx(11)


def test_kernel_distance_of_numbers_by_hand():
    """k(x, y) = (x y + 1)^3: within {0, 1} 1, within {1, 2} 27; across 1, 1, 8, 27 in the mean 37 / 4."""
    a, b = np.array([[0.0], [1.0]], np.float32), np.array([[1.0], [2.0]], np.float32)
    assert kernel_distance(a, b) == pytest.approx(1 + 27 - 2 * 37 / 4)


def test_precision_and_recall_of_numbers_by_hand():
    """Balls to the nearest neighbour: about 0, 1, 3 of radius 1, 1, 2; about 2.5, 9 of radius 6.5, 6.5."""
    real, made = np.array([[0.0], [1.0], [3.0]], np.float32), np.array([[2.5], [9.0]], np.float32)
    among_real, among_made = precision_recall(real, made, k=1)
    assert among_real.tolist() == [True, False]
    assert among_made.tolist() == [True, True, True]
    assert precision_recall(real[:, :1] * 10, made, k=1)[1].tolist() == [True, True, False]


def test_kernel_distance_is_unbiased():
    rng = np.random.default_rng(1)
    values = [kernel_distance(rng.normal(size=(20, 4)), rng.normal(size=(20, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


def test_a_resample_has_the_distances_of_its_rows():
    """Counts of rows say the same as the rows themselves, repeated."""
    a, b = _sets(12, 15)
    counts = tuple(np.random.default_rng(2).integers(0, 4, len(x)).astype(float) for x in (a, b))
    rows = [np.repeat(x, c.astype(int), axis=0) for x, c in zip((a, b), counts, strict=True)]
    p = products(a, b)
    assert frechet_of(p, counts) == pytest.approx(frechet_distance(*rows), rel=1e-9)
    assert kernel_of(p, counts) == pytest.approx(kernel_distance(*rows), rel=1e-6)
    ones = (np.ones(len(a)), np.ones(len(b)))
    assert frechet_of(p, ones) == pytest.approx(frechet_distance(a, b), rel=1e-9)


def test_intervals_hold_the_mean_of_the_distance():
    """Over sets that are drawn again: of 120 intervals about a twentieth misses it. Of percentiles a quarter would."""
    rng = np.random.default_rng(3)

    def drawn():
        cluster = np.repeat(rng.normal(size=(60, 6)), 2, axis=0)
        return rng.normal(size=(20, 6)) + 0.5, 0.7 * cluster + 0.7 * rng.normal(size=(120, 6))

    means = np.mean([[f(*drawn()) for f in (frechet_distance, kernel_distance)] for _ in range(1000)], axis=0)
    groups = ([str(i) for i in range(20)], [str(i // 2) for i in range(120)])
    held = np.zeros(2)
    for i in range(120):
        found = distance_intervals(*drawn(), groups, 100, i)
        ends = [found[name] for name in ("frechet_distance", "kernel_distance")]
        held += [low <= mean <= high for (low, high), mean in zip(ends, means, strict=True)]
    assert (held / 120 > 0.88).all(), held / 120


def test_groups_are_resampled_whole():
    """Images that are there twice, in one group, say no more than once: as wide an interval as of the single ones."""
    a, b = _sets(25, 30)
    names = ([str(i) for i in range(25)], [str(i) for i in range(30)])
    once = distance_intervals(a, b, names, 400, 0)["kernel_distance"]
    twice, both = [np.concatenate([x, x]) for x in (a, b)], tuple(n + n for n in names)
    grouped = distance_intervals(*twice, both, 400, 0)["kernel_distance"]
    alone = distance_intervals(*twice, tuple([str(i) for i in range(len(n))] for n in both), 400, 0)["kernel_distance"]
    width = [high - low for low, high in (once, grouped, alone)]
    assert width[1] == pytest.approx(width[0], rel=0.15)
    assert width[2] < 0.85 * width[0]


def test_of_a_single_group_nothing_can_be_said():
    a, b = _sets(10, 10)
    found = distance_intervals(a, b, (["g"] * 10, [str(i) for i in range(10)]), 100, 0)
    assert np.isnan([*found["frechet_distance"], *found["kernel_distance"]]).all()

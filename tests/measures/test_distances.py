"""Distances agree with their definitions by hand, and with clean-fid."""

import numpy as np
import pytest
from cleanfid.fid import frechet_distance as clean_frechet
from cleanfid.fid import kernel_distance as clean_kernel

from pipeline_steps.measures.images import frechet, kernel, manifold
from pipeline_steps.measures.images.sides import Sides


def frechet_distance(a, b):
    return frechet.frechet_distance(Sides(a, b, 3))


def kernel_distance(a, b):
    return kernel.kernel_distance(Sides(a, b, 3))


def precision_recall(a, b, k):
    return manifold.precision(Sides(a, b, k)), manifold.recall(Sides(a, b, k))


def _sets(n=60, m=80, d=12, shift=0.5):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)).astype(np.float32), (rng.normal(size=(m, d)) * 1.3 + shift).astype(np.float32)


def _points(*rows):
    """Rows of numbers, or of one number each."""
    return np.array(rows, np.float32).reshape(len(rows), -1)


def test_frechet_of_a_set_with_itself_is_nothing():
    a, _ = _sets()
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_of_one_dimension_by_hand():
    """(m1 - m2)² + (s1 - s2)², deviations with n - 1."""
    assert frechet_distance(_points(0, 4), _points(1, 3, 5)) == pytest.approx(1 + (np.sqrt(8) - 2) ** 2)


def test_frechet_of_two_dimensions_by_hand():
    """Variances 2 and 8 along the axes, exchanged: each axis differs by √8 - √2."""
    a = _points((-1, -2), (1, 2), (-1, 2), (1, -2)) * np.sqrt(1.5)
    assert frechet_distance(a, a[:, ::-1] + [3, 0]) == pytest.approx(9 + 2 * (np.sqrt(8) - np.sqrt(2)) ** 2)


@pytest.mark.parametrize(("n", "m", "d"), [(60, 80, 12), (200, 40, 5), (25, 300, 8), (9, 30, 12)])
def test_frechet_agrees_with_clean_fid(n, m, d):
    a, b = _sets(n, m, d)
    expected = clean_frechet(a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)


def test_frechet_of_shifted_copies_is_the_squared_shift():
    a, _ = _sets()
    assert frechet_distance(a, a + 2) == pytest.approx(4 * a.shape[1], rel=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # (xy + 1)³ within: 1 and 343; between: 1, 1, 27, 64
        (_points(0, 1), _points(2, 3), 1 + 343 - 2 * 93 / 4),
        # within three: 1, 1, 27; within two: 8; between: 1, 1, 1, 8, 1, 27
        (_points(0, 1, 2), _points(0, 1), 29 / 3 + 1 - 2 * (1 + 1 + 1 + 8 + 1 + 27) / 6),
        # over two dimensions: (4 / 2 + 1)³ = 27 between equal points, 1 elsewhere
        (_points((0, 0), (2, 0)), _points((2, 0), (0, 2)), 1 + 1 - 2 * (1 + 1 + 27 + 1) / 4),
    ],
)
def test_kernel_distance_by_hand(a, b, expected):
    assert kernel_distance(a, b) == pytest.approx(expected)


def test_kernel_distance_of_equal_counts_is_clean_fids():
    """Its random subsets then hold all rows."""
    a, b = _sets(50, 50)
    assert kernel_distance(a, b) == pytest.approx(clean_kernel(a, b, num_subsets=1), rel=1e-5)


@pytest.mark.parametrize("subset", [1000, 15])
def test_kernel_distance_is_what_clean_fids_subsets_average_to(subset):
    """Of unequal counts, or more rows than a subset takes, clean-fid averages over random subsets."""
    a, b = _sets(30, 60)
    np.random.seed(0)  # noqa: NPY002 (clean-fid draws from no other)
    averages = [clean_kernel(a, b, num_subsets=50, max_subset_size=subset) for _ in range(40)]
    assert abs(np.mean(averages) - kernel_distance(a, b)) < 4 * np.std(averages) / np.sqrt(40)


def test_kernel_distance_is_unbiased():
    rng = np.random.default_rng(1)
    values = [kernel_distance(rng.normal(size=(20, 4)), rng.normal(size=(20, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        # balls of real: [-1, 1], [0, 2], [1, 5], [3, 11]; of generated: [-6, 2], [-2, 6], [10, 12], [11, 13]
        (1, (2 / 4, 3 / 4)),
        # balls of real: [-3, 3], [-1, 3], [0, 6], [1, 13]; of generated: [-15, 11], [-7, 11], [2, 20], [2, 22]
        (2, (4 / 4, 4 / 4)),
    ],
)
def test_precision_and_recall_on_a_line_by_hand(k, expected):
    assert precision_recall(_points(0, 1, 3, 7), _points(-2, 2, 11, 12), k) == expected


def test_precision_and_recall_tell_fidelity_from_coverage():
    rng = np.random.default_rng(2)
    real = rng.normal(size=(300, 3)).astype(np.float32)
    narrow = (rng.normal(size=(300, 3)) * 0.2).astype(np.float32)
    precision, recall = precision_recall(real, narrow, 3)
    assert precision > 0.95
    assert recall < 0.3
    assert precision_recall(real, real + 100, 3) == (0, 0)

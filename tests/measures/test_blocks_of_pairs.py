"""Measures of pairs come by blocks: their values are those of the whole matrices, whatever the block."""

import numpy as np
import pytest

from pipeline_steps.measures.images.intervals import of_parts
from pipeline_steps.measures.images.manifold import radii
from pipeline_steps.measures.images.sides import Parts, Sides, everything
from pipeline_steps.measures.images.table import DISTANCES

K = 3


def _frechet(a, b):
    """By the singular values of A Bᵀ."""
    roots = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b)]
    cross = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    spread = sum((root**2).sum() for root in roots)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + spread - 2 * cross


def _kernel(a, b):
    def of(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    among = [(of(x, x).sum() - np.trace(of(x, x))) / (len(x) * (len(x) - 1)) for x in (a, b)]
    return sum(among) - 2 * of(a, b).mean()


def _squared(x, y):
    return ((x[:, None] - y) ** 2).sum(-1)


def _share_inside(points, centres):
    reach = np.sort(_squared(centres, centres), axis=1)[:, min(K, len(centres) - 1)]
    return (_squared(points, centres) <= reach).any(1).mean()


def _direct(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return [_frechet(a, b), _kernel(a, b), _share_inside(b, a), _share_inside(a, b)]


def _sides(seed, n, m, d):
    rng = np.random.default_rng(seed)
    real, made = rng.normal(size=(n, d)) + 2, 1.2 * rng.normal(size=(m, d)) + 2.2
    return Sides(real.astype(np.float32), made.astype(np.float32), K)


def _parts(seed, sides, draws):
    rng = np.random.default_rng(seed)
    return Parts(*(rng.uniform(size=(len(x), draws)) < 0.5 for x in (sides.real, sides.made)))


SHAPES = [
    (23, 37, 4),
    (41, 19, 6),
    (23, 37, 60),
    (12, 90, 9),
    (90, 12, 9),
]  # of more rows than dimensions, and of fewer


@pytest.mark.parametrize("block", [1, 777, 5000, 2**26])
@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_have_the_values_of_whole_matrices(monkeypatch, block, shape):
    monkeypatch.setattr("pipeline_steps.statistics.blocks.BLOCK", block)
    sides = _sides(0, *shape)
    found = [m.of(sides) for m in DISTANCES]
    assert found == pytest.approx(_direct(sides.real, sides.made), rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("block", [1, 777, 5000, 2**26])
@pytest.mark.parametrize("shape", SHAPES)
def test_all_parts_at_once_have_the_values_of_each(monkeypatch, block, shape):
    monkeypatch.setattr("pipeline_steps.statistics.blocks.BLOCK", block)
    sides = _sides(1, *shape)
    parts = _parts(2, sides, 7)
    found = np.array([of_parts(m, sides, parts) for m in DISTANCES]).T
    for values, i, j in zip(found, parts.real.T, parts.made.T, strict=True):
        assert values == pytest.approx(_direct(sides.real[i], sides.made[j]), rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_rows_are_a_part_like_any_other(shape):
    sides = _sides(3, *shape)
    assert [of_parts(m, sides, everything(sides))[0] for m in DISTANCES] == pytest.approx(
        [m.of(sides) for m in DISTANCES], rel=1e-8
    )


@pytest.mark.parametrize("seed", range(10))
def test_radii_reach_to_the_same_neighbour_however_far_it_lies_among_those_left_out(seed):
    """Nearly all near points are of one group, which most halves lack: the walk goes on to the farthest."""
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.normal(size=(60, 2)), rng.normal(size=(90, 2)) + 40])
    parts = np.concatenate([rng.uniform(size=(60, 9)) < 0.1, rng.uniform(size=(90, 9)) < 0.5])
    parts[60:63, 0] = parts[:57, 1] = False  # a part whose near ones are few, and one of three there
    parts[57:60, 1] = True
    parts[60:, 1] = False
    squared = _squared(points, points)
    found = radii(squared, parts, parts, K)
    for part, column in zip(parts.T, found.T, strict=True):
        within = np.sort(squared[np.ix_(part, part)], axis=1)[:, min(K, part.sum() - 1)]
        assert np.array_equal(column[part], within)
        assert (column[~part] == -1).all()


def test_one_block_size_gives_one_value():
    sides = _sides(5, 60, 70, 8)
    parts = _parts(6, sides, 5)
    for m in DISTANCES:
        assert np.array_equal(of_parts(m, sides, parts), of_parts(m, sides, parts))

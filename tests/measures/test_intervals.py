"""Intervals of distances: what they cover, and that groups are what counts."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline_steps.measures.images.intervals import Halves, distance_intervals, half_samples, of_parts
from pipeline_steps.measures.images.sides import Parts, Sides
from pipeline_steps.measures.images.table import DISTANCES

K = 3
MEASURES = [m.name for m in DISTANCES]
HOW = Halves(draws=60, seed=0, fewest_groups=4)


def _side(rng, groups, size, shift, alike=0.85):
    """Gaussian rows in three dimensions, those of a group alike; and the groups' names."""
    codes = np.repeat(np.arange(groups), size)
    own, shared = rng.normal(size=(groups * size, 3)), rng.normal(size=(groups, 3))[codes]
    features = shift + np.sqrt(alike) * shared + np.sqrt(1 - alike) * own
    return features.astype(np.float32), [f"g{c:03d}" for c in codes]


def _pair(rng, groups=20, size=3):
    return _side(rng, groups, size, 0.0), _side(rng, groups, size + 1, 0.7)


def _distances(a, b, k=K):
    return np.array([m.of(Sides(a, b, k)) for m in DISTANCES])


def _intervals(real, made, k=K, how=HOW):
    """Of sides of features and groups."""
    values = dict(zip(MEASURES, _distances(real[0], made[0], k), strict=True))
    return distance_intervals(Sides(real[0], made[0], k), values, (real[1], made[1]), how)


def _widths(real, made, k=K, how=HOW):
    found = _intervals(real, made, k, how)
    return np.array([found[m][1] - found[m][0] for m in MEASURES])


def test_any_rows_have_the_distances_of_their_features():
    (a, _), (b, _) = _pair(np.random.default_rng(0))
    a, b = a + 30, b + 30  # far from zero, where differences of squares lose digits
    rng = np.random.default_rng(1)
    parts = Parts(rng.uniform(size=(len(a), 5)) < 0.4, rng.uniform(size=(len(b), 5)) < 0.3)
    found = np.array([of_parts(m, Sides(a, b, K), parts) for m in DISTANCES]).T
    for values, i, j in zip(found, parts.real.T, parts.made.T, strict=True):
        assert values == pytest.approx(_distances(a[i], b[j]), rel=1e-5)


def test_a_measure_that_knows_no_parts_has_its_own_value_of_each():
    (a, _), (b, _) = _pair(np.random.default_rng(0))
    plain, rng = replace(DISTANCES[0], of_parts=None), np.random.default_rng(1)
    parts = Parts(rng.uniform(size=(len(a), 5)) < 0.4, rng.uniform(size=(len(b), 5)) < 0.3)
    one, other = (of_parts(m, Sides(a, b, K), parts) for m in (plain, DISTANCES[0]))
    assert one == pytest.approx(other, rel=1e-6)


def test_halves_hold_whole_groups():
    groups = np.array(list("abacbdeeeee"))
    halves = half_samples(groups, 300, np.random.default_rng(0)).T
    for half in halves:
        inside = set(groups[half])
        assert len(inside) == 2, "of five groups"
        assert not inside & set(groups[~half])
    assert {"".join(sorted(set(groups[h]))) for h in halves} >= {"ab", "ae", "bc", "cd", "de"}


def test_intervals_cover_the_mean_over_samples_of_the_same_counts():
    """95 of 100, but for chance, where rows come in groups; and are not far wider than the true spread asks for."""
    rng = np.random.default_rng(5)
    whole = np.array([_distances(real[0], made[0]) for real, made in (_pair(rng) for _ in range(400))])
    mean, due = whole.mean(0), 2 * 1.96 * whole.std(0)
    hits, widths = [], []
    for seed in range(100):
        found = _intervals(*_pair(rng), how=Halves(60, seed, 4))
        hits.append([found[m][0] <= c <= found[m][1] for m, c in zip(MEASURES, mean, strict=True)])
        widths.append([found[m][1] - found[m][0] for m in MEASURES])
    covered = dict(zip(MEASURES, np.mean(hits, axis=0), strict=True))
    assert all(share >= 0.87 for share in covered.values()), covered
    wide = dict(zip(MEASURES, np.mean(widths, axis=0) / due, strict=True))
    assert all(width < 1.5 for width in wide.values()), wide


def test_the_order_of_rows_changes_nothing():
    rng = np.random.default_rng(1)
    (a, in_a), (b, in_b) = _pair(rng)
    i, j = rng.permutation(len(a)), rng.permutation(len(b))
    before = _intervals((a, in_a), (b, in_b))
    after = _intervals((a[i], [in_a[r] for r in i]), (b[j], [in_b[r] for r in j]))
    for measure in MEASURES:
        assert after[measure] == pytest.approx(before[measure], rel=1e-6)


def test_rows_that_double_others_of_their_group_tell_nothing_new():
    real, made = _pair(np.random.default_rng(2))
    doubled = [(np.concatenate([f, f]), [*g, *g]) for f, g in (real, made)]
    once, twice = _widths(real, made), _widths(*doubled, k=2 * K)  # to the same neighbour, each being there twice
    assert twice == pytest.approx(once, rel=0.1)
    assert twice[2:] == pytest.approx(once[2:])


def test_more_groups_tell_more():
    rng = np.random.default_rng(3)
    few, many = (np.mean([_widths(*_pair(rng, n)) for _ in range(4)], axis=0) for n in (10, 60))
    assert (many < 0.75 * few).all(), (few, many)


def test_too_few_groups_have_no_interval():
    real, made = _pair(np.random.default_rng(4), groups=7)
    alone = (made[0], ["one"] * len(made[0]))
    for sides in ((real, alone), (alone, real), (alone, alone)):
        assert np.isnan(list(_intervals(*sides).values())).all()
    assert np.isnan(list(_intervals(real, made, how=Halves(60, 0, 8)).values())).all()
    assert np.isfinite(list(_intervals(real, made, how=Halves(60, 0, 7)).values())).all()


def test_a_measure_that_is_the_same_in_all_halves_has_no_interval_of_no_width():
    real, made = _pair(np.random.default_rng(4))
    found = _intervals(real, (made[0] + 100, made[1]))
    assert np.isnan([*found["precision"], *found["recall"]]).all()
    assert found["frechet_distance"][0] < found["frechet_distance"][1]


def test_intervals_stay_within_what_is_possible():
    rng = np.random.default_rng(6)
    found = [_intervals(_side(rng, 5, 2, 0.0), _side(rng, 5, 2, 0.0)) for _ in range(10)]
    assert all(f["frechet_distance"][0] >= 0 for f in found)
    assert all(0 <= f[m][0] <= f[m][1] <= 1 for f in found for m in ("precision", "recall"))
    assert any(f["kernel_distance"][0] < 0 for f in found), "it is unbiased, so it may lie below zero"

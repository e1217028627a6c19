"""How far distances between two sets of images would move with other images of the same counts.

An interval comes from random halves of both sets: whole groups, none of them twice (half-sampling, the delete-half
jackknife: Shao and Wu 1989, Ann. Statist. 17(3), with the factor (n - d) / d = 1; Politis and Romano 1994, Ann.
Statist. 22(4)). Deviations of the halves' distances from their mean are laid around the distance of all images as they
are, not mirrored as Politis and Romano have it: mirrored ends cover recall less often. Why:

* A resample with replacement holds points twice. A point's double is its neighbour at distance 0, which shrinks the
  balls of precision and recall; and it is an "other" point at the same place, which shifts the kernel distance.
* A Fréchet distance of few images is too large, of a resample more so. Its percentile interval lies above the distance,
  and the basic (reflected) one below what such counts give on average. Re-centring takes the shift out.
* Whether a generated image lies among the real ones depends on which real ones there are, so both sides are halved.

What it covers: the sampling of images, that is, what the distance would be on average for these counts of images and
groups. It does not cover the distance of infinitely many (the bias stays in the number and in its interval), nor
another training of the generator. docs/interval_coverage.md has simulations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_steps.features.distances import Features, Floats, cubic_kernel, inside, radii, squared_distances
from pipeline_steps.records.groups import NO_INTERVAL

Rows = npt.NDArray[np.intp]
MEASURES = ("frechet_distance", "kernel_distance", "precision", "recall")
_RANGES = {"frechet_distance": (0, None), "kernel_distance": (None, None), "precision": (0, 1), "recall": (0, 1)}
_LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class Halves:
    """How intervals are made: how many halves, drawn from which seed, of how many groups on each side at least."""

    draws: int
    seed: int
    fewest_groups: int


@dataclass(frozen=True)
class Products:
    """All that the distances of any subset of rows need, computed once.

    Inner products of features about their common mean: ``cross`` (n, m), and the squared lengths and sums that follow
    from ``a`` (n, D) and ``b`` (m, D); the kernel's values; squared distances.
    """

    a: Floats
    b: Floats
    cross: Floats
    kernels: tuple[Floats, Floats, Floats]  # among a, among b, between
    squared: tuple[Floats, Floats, Floats]


def products(real: Features, made: Features) -> Products:
    """From features (n, D) and (m, D)."""
    a, b = real.astype(np.float64), made.astype(np.float64)
    kernels = cubic_kernel(a, a), cubic_kernel(b, b), cubic_kernel(a, b)
    centre = np.concatenate([a, b]).mean(0)  # distances don't change by it, and differences of squares keep digits
    a, b = a - centre, b - centre
    squared = squared_distances(a, a), squared_distances(b, b), squared_distances(a, b)
    return Products(a, b, a @ b.T, kernels, squared)


def frechet_of(p: Products, i: Rows, j: Rows) -> float:
    """``frechet_distance`` of the rows ``i`` and ``j``, of at least two each."""
    a, b, cross = p.a[i], p.b[j], p.cross[np.ix_(i, j)]
    mean_a, mean_b = a.mean(0), b.mean(0)
    spread = (np.vdot(a, a) - len(i) * mean_a @ mean_a) / (len(i) - 1)
    spread += (np.vdot(b, b) - len(j) * mean_b @ mean_b) / (len(j) - 1)
    centred = cross - (cross.mean(1) - cross.mean())[:, None] - cross.mean(0)
    small = centred @ centred.T if len(i) <= len(j) else centred.T @ centred
    values = np.linalg.eigvalsh(small) / ((len(i) - 1) * (len(j) - 1))
    shift = mean_a - mean_b
    return max(0.0, float(shift @ shift + spread - 2 * np.sqrt(np.clip(values, 0, None)).sum()))


def kernel_of(p: Products, i: Rows, j: Rows) -> float:
    """``kernel_distance`` of the rows ``i`` and ``j``, of at least two each."""

    def mean_off_diagonal(k: Floats, rows: Rows) -> float:
        return float((k[np.ix_(rows, rows)].sum() - k[rows, rows].sum()) / (len(rows) * (len(rows) - 1)))

    among_a, among_b, between = p.kernels
    return mean_off_diagonal(among_a, i) + mean_off_diagonal(among_b, j) - 2 * float(between[np.ix_(i, j)].mean())


def precision_recall_of(p: Products, i: Rows, j: Rows, k: int) -> tuple[float, float]:
    """``precision_recall`` of the real rows ``i`` and the generated ``j``."""
    among_a, among_b, between = p.squared
    between = between[np.ix_(i, j)]
    precision = inside(between.T, radii(among_a[np.ix_(i, i)], k))
    recall = inside(between, radii(among_b[np.ix_(j, j)], k))
    return float(precision.mean()), float(recall.mean())


def half_samples(groups: Sequence[str], draws: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which rows (draws, N) are in each random half of the groups; of an odd number the smaller half.

    (That makes the interval of few groups a little too wide: of 21 by at most 5 %.)
    """
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    chosen = rng.permuted(np.tile(np.arange(len(names)) < len(names) // 2, (draws, 1)), axis=1)
    return chosen[:, codes]


def distance_intervals(
    real: tuple[Features, Sequence[str]], made: tuple[Features, Sequence[str]], k: int, how: Halves
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the four ``MEASURES``, from features (n, D) with the group of each row, real and generated.

    ``k``: precision's and recall's. NaN twice where nothing can be said: fewer groups than ``how`` asks for on a side,
    or a measure that is the same in all halves.
    """
    if min(len(set(real[1])), len(set(made[1]))) < max(how.fewest_groups, 4):  # a half of fewer has no covariance
        return dict.fromkeys(MEASURES, NO_INTERVAL)
    p, rng = products(real[0], made[0]), np.random.default_rng(how.seed)
    halves = zip(half_samples(real[1], how.draws, rng), half_samples(made[1], how.draws, rng), strict=True)
    values = np.array([_all_of(p, np.flatnonzero(i), np.flatnonzero(j), k) for i, j in halves])
    whole = np.array(_all_of(p, np.arange(len(p.a)), np.arange(len(p.b)), k))
    return {m: _recentred(values[:, c], whole[c], *_RANGES[m]) for c, m in enumerate(MEASURES)}


def _all_of(p: Products, i: Rows, j: Rows, k: int) -> tuple[float, float, float, float]:
    return frechet_of(p, i, j), kernel_of(p, i, j), *precision_recall_of(p, i, j, k)


def _recentred(values: Floats, whole: float, least: float | None, most: float | None) -> tuple[float, float]:
    """``values``' 95 % about their mean, moved to ``whole`` and cut to what is possible."""
    if np.allclose(values, values[0], rtol=1e-12, atol=1e-12):  # as far as sums are exact
        return NO_INTERVAL
    low, high = np.clip(whole + np.quantile(values - values.mean(), _LEVELS), least, most)
    return float(low), float(high)

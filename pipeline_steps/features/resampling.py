"""Intervals of distances between two sets of features, by resampling whole groups of images.

A resample counts each image so many times. Both distances follow from the products of all rows with all rows, which
are computed once, so that a thousand resamples cost seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_steps.features.distances import DUAL_LIMIT, Features, Floats, polynomial_kernel
from pipeline_steps.records.groups import NO_INTERVAL


@dataclass(frozen=True)
class Products:
    """Inner products of centred rows, and kernel values, within and across two sets of n and m rows."""

    within: tuple[Floats, Floats]
    across: Floats
    kernels: tuple[Floats, Floats]
    kernel_across: Floats


def products(a: Features, b: Features) -> Products:
    """All that the distances of any resample of rows (n, D) and (m, D) depend on."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    kernels = (polynomial_kernel(a64, a64), polynomial_kernel(b64, b64))
    centre = np.concatenate([a64, b64]).mean(0)  # moves nothing but the rounding
    x, y = a64 - centre, b64 - centre
    return Products((x @ x.T, y @ y.T), x @ y.T, kernels, polynomial_kernel(a64, b64))


def frechet_of(p: Products, counts: tuple[Floats, Floats]) -> float:
    """``frechet_distance`` of the sets that hold row i ``counts[.][i]`` times."""
    present = [np.flatnonzero(c) for c in counts]
    u, v = (c[rows] for c, rows in zip(counts, present, strict=True))
    n, m = u.sum(), v.sum()
    (i, j), across = present, p.across[np.ix_(*present)]
    within_a, within_b = p.within[0][np.ix_(i, i)], p.within[1][np.ix_(j, j)]
    mean_a, mean_b = u @ within_a @ u / n**2, v @ within_b @ v / m**2  # squared norms of the means
    rows, columns = across @ v / m, u @ across / n
    both = u @ rows / n
    spread = (u @ np.diag(within_a) - n * mean_a) / (n - 1) + (v @ np.diag(within_b) - m * mean_b) / (m - 1)
    centred = (across - rows[:, None] - columns + both) * np.sqrt(u / (n - 1))[:, None] * np.sqrt(v / (m - 1))
    square = centred @ centred.T if len(i) <= len(j) else centred.T @ centred
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(square), 0, None)).sum()
    return max(0.0, float(mean_a + mean_b - 2 * both + spread - 2 * cross))


def kernel_of(p: Products, counts: tuple[Floats, Floats]) -> float:
    """``kernel_distance`` of the sets that hold row i ``counts[.][i]`` times."""
    u, v = counts
    within = [(c @ k @ c - c @ np.diag(k)) / (c.sum() * (c.sum() - 1)) for c, k in zip(counts, p.kernels, strict=True)]
    return float(sum(within) - 2 * (u @ p.kernel_across @ v) / (u.sum() * v.sum()))


def distance_intervals(
    a: Features, b: Features, groups: tuple[Sequence[str], Sequence[str]], draws: int, seed: int
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the Fréchet and the kernel distance of rows (n, D) and (m, D), by name.

    Whole groups of both sets are resampled ``draws`` times. Resampled rows repeat, which moves a Fréchet distance
    upwards; so the spread of the resampled distances is laid about the measured one. The interval is one of what the
    distance of so many images is in the mean. It says nothing of its bias: the distance of all images that there could
    be lies below a Fréchet distance of few, mostly below its interval. (Simulated with Gaussians fitted to features
    of this kind, 56 against 670 rows in groups of two: 95 % of such intervals hold the mean, 64 % of percentile
    intervals and 59 % of reflected ones.)

    NaN where a set is a single group, or the smaller one has more than ``DUAL_LIMIT`` rows.
    """
    names = ("frechet_distance", "kernel_distance")
    codes = [np.unique(np.asarray(g), return_inverse=True)[1] for g in groups]
    if min(len(a), len(b)) > DUAL_LIMIT or min(c.max() for c in codes) == 0:
        return dict.fromkeys(names, NO_INTERVAL)
    p, rng = products(a, b), np.random.default_rng(seed)
    values = np.empty((draws, 2))
    for i in range(draws):
        counts = (_resampled(codes[0], rng), _resampled(codes[1], rng))
        values[i] = frechet_of(p, counts), kernel_of(p, counts)
    point = np.array([f(p, (np.ones(len(a)), np.ones(len(b)))) for f in (frechet_of, kernel_of)])
    low, high = np.quantile(values - values.mean(0), [0.025, 0.975], axis=0) + point
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}


def _resampled(codes: npt.NDArray[np.intp], rng: np.random.Generator) -> Floats:
    """How often each row (n,) is there when as many groups as there are were drawn with replacement; two at least."""
    groups = int(codes.max()) + 1
    while True:
        drawn = np.bincount(rng.integers(groups, size=groups), minlength=groups)
        counts: Floats = drawn[codes].astype(np.float64)
        if counts.sum() > 1:
            return counts

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline_steps.measures.images.frechet import Distance
from pipeline_steps.measures.images.sides import Bools, Floats, Parts, Sides
from pipeline_steps.measures.images.table import DISTANCES
from pipeline_steps.statistics.cluster_intervals import NO_INTERVAL

Intervals = dict[str, tuple[float, float]]
_LEVELS = (0.025, 0.975)


@dataclass(frozen=True)
class Halves:
    """How intervals are made: how many halves, drawn from which seed, of how many groups on each side at least."""

    draws: int
    seed: int
    fewest_groups: int


def half_samples(groups: Sequence[str], draws: int, rng: np.random.Generator) -> Bools:
    """Which rows (N, draws) are in each random half of the groups; of an odd number the smaller half.

    (That makes the interval of few groups a little too wide: of 21 by at most 5 %.)
    """
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    chosen = rng.permuted(np.tile(np.arange(len(names)) < len(names) // 2, (draws, 1)), axis=1)
    return np.ascontiguousarray(chosen.T)[codes]


def distance_intervals(
    sides: Sides, values: Mapping[str, float], groups: tuple[Sequence[str], Sequence[str]], how: Halves
) -> Intervals:
    """95 % intervals of all ``DISTANCES`` by name, around their ``values``.

    ``groups``: of each real row, and of each generated one. NaN twice where nothing can be said: fewer groups than
    ``how`` asks for on a side, or a measure that is the same in all halves.
    """
    if min(len(set(side)) for side in groups) < max(how.fewest_groups, 4):  # a half of fewer has no covariance
        return {m.name: NO_INTERVAL for m in DISTANCES}
    rng = np.random.default_rng(how.seed)
    halves = Parts(*(half_samples(side, how.draws, rng) for side in groups))
    return {m.name: _recentred(of_parts(m, sides, halves), values[m.name], *m.bounds) for m in DISTANCES}


def of_parts(measure: Distance, sides: Sides, parts: Parts) -> Floats:
    """A measure (R,) of each part: of all at once, or of one after the other, if it knows no such way."""
    if measure.of_parts is not None:
        return np.asarray(measure.of_parts(sides, parts))
    each = zip(parts.real.T, parts.made.T, strict=True)
    return np.array([measure.of(sides.part(np.flatnonzero(i), np.flatnonzero(j))) for i, j in each])


def _recentred(values: Floats, whole: float, least: float, most: float) -> tuple[float, float]:
    """``values``' 95 % about their mean, moved to ``whole`` and cut to what is possible."""
    if np.allclose(values, values[0], rtol=1e-12, atol=1e-12):  # as far as sums are exact
        return NO_INTERVAL
    low, high = np.clip(whole + np.quantile(values - values.mean(), _LEVELS), least, most)
    return float(low), float(high)

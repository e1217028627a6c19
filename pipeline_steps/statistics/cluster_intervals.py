"""Intervals of measures on images that belong together: whole groups are resampled, and a group counts once."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

NO_INTERVAL = (float("nan"), float("nan"))
_FEW_GROUPS = 10


def cluster_interval(
    measure: Callable[[npt.NDArray[np.intp]], float], groups: Sequence[str], draws: int, seed: int
) -> tuple[float, float]:
    """A 95 % percentile interval of ``measure(rows)``, resampling whole groups ``draws`` times.

    NaN twice where nothing can be said: a single group, or a measure that is the same in every resample.
    """
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return NO_INTERVAL
    rows, sizes = np.argsort(codes, kind="stable"), np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        chosen = rng.integers(len(names), size=len(names))
        ends = np.cumsum(sizes[chosen])
        within = np.arange(ends[-1]) - np.repeat(ends - sizes[chosen], sizes[chosen])
        values.append(measure(rows[np.repeat(starts[chosen], sizes[chosen]) + within]))
    if np.allclose(values, values[0], rtol=1e-12, atol=1e-12):  # as far as sums are exact
        return NO_INTERVAL
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def share_interval(right: npt.NDArray[np.bool_], groups: Sequence[str], draws: int, seed: int) -> tuple[float, float]:
    """A 95 % interval of the share of rows that are ``right``: ``cluster_interval``, unless nearly all rows agree.

    Where fewer than ten groups hold a right row, or a wrong one, a bootstrap knows too little of the rarer kind: with
    none it has no width, with one it ends at all right though one was wrong. The interval then is Clopper and Pearson's
    (1934), with as many trials as there are groups, a group counting once whatever its size, and the share of rows as
    the share of trials. (Korn and Graubard 1998 take an effective number of trials in clustered samples, between the
    number of groups and of rows; the number of groups is the cautious one.)
    """
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return NO_INTERVAL
    if min(len(set(codes[right])), len(set(codes[~right]))) < _FEW_GROUPS:
        return _exact(float(right.mean()) * len(names), len(names))
    values = right.astype(np.float64)
    return cluster_interval(lambda rows: float(values[rows].mean()), groups, draws, seed)


def largest_share(wrong: npt.NDArray[np.bool_], groups: Sequence[str]) -> float:
    """The largest share of groups' rows that ``wrong`` ones (n,) are compatible with, at 95 %, a group counting once.

    Clopper and Pearson's upper bound (1934, one-sided), with groups as trials and the sum of their shares as successes;
    1 of none.
    """
    from scipy.special import betaincinv  # late: whoever reads groups alone needs none of it

    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    shares = np.bincount(codes, wrong) / np.bincount(codes)
    trials, successes = len(names), float(shares.sum())
    return float(betaincinv(successes + 1, trials - successes, 0.95)) if successes < trials else 1.0


def _exact(successes: float, trials: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval, by the beta distribution, which takes parts of a success, too."""
    from scipy.special import betaincinv  # late: whoever reads groups alone needs none of it

    failures = trials - successes
    low = float(betaincinv(successes, failures + 1, 0.025)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, failures, 0.975)) if failures > 0 else 1.0
    return low, high

"""Groups of images that belong together (duplicates, patients): on one side of a split, and resampled whole."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

NO_INTERVAL = (float("nan"), float("nan"))


def merge_groups(ids: Sequence[str], together: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Connected components: each id's group is named by the smallest id in it."""
    parent = {i: i for i in ids}

    def root(i: str) -> str:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in together:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return {i: root(i) for i in ids}


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
    """A 95 % interval of the share of rows that are ``right``: ``cluster_interval``, unless all rows agree.

    Where all are right, or none, a bootstrap has no width. The interval then is Clopper and Pearson's (1934), with as
    many trials as there are groups: a group counts once, whatever its size. (Korn and Graubard 1998 take an effective
    number of trials in clustered samples; where all rows agree, the number of groups is the cautious one.)
    """
    values, count = right.astype(np.float64), len(set(groups))
    if count < 2:
        return NO_INTERVAL
    edge = 0.025 ** (1 / count)
    if values.all():
        return edge, 1.0
    if not values.any():
        return 0.0, 1 - edge
    return cluster_interval(lambda rows: float(values[rows].mean()), groups, draws, seed)

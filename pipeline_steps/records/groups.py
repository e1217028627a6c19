"""Groups of images that belong together (duplicates, patients): on one side of a split, and resampled whole."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt


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
    """A 95 % percentile interval of ``measure(rows)``, resampling whole groups."""
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    rows, sizes = np.argsort(codes, kind="stable"), np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        chosen = rng.integers(len(names), size=len(names))
        ends = np.cumsum(sizes[chosen])
        within = np.arange(ends[-1]) - np.repeat(ends - sizes[chosen], sizes[chosen])
        values.append(measure(rows[np.repeat(starts[chosen], sizes[chosen]) + within]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)

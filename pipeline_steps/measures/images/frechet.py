"""The Fréchet distance. It is called FID where the features are Inception's alone."""

from collections.abc import Callable
from math import inf

import numpy as np

from pipeline_steps.measures.images.sides import Floats, Products, Rows, Sides
from pipeline_steps.measures.measure import Measure

Distance = Measure[Callable[[Sides], float]]
_DUAL_LIMIT = 1500


def frechet_distance(sides: Sides) -> float:
    """Fréchet distance (Heusel et al. 2017, eq. 6) between Gaussians fitted to rows (n, D) and (m, D).

    It is biased: of few images it is too large, by about a constant over their number, and the constant differs
    between generators (Chong and Forsyth 2020, arXiv 1911.07023; Bińkowski et al. 2018). So distances of unequal counts
    do not compare, and those of equal counts only roughly.

    With few rows Tr sqrt(S1 S2) is the nuclear norm of A Bᵀ, where A, B are the centred features over
    sqrt(n - 1): exact, and thousands of times faster than the matrix square root.
    """
    a, b = sides.real.astype(np.float64), sides.made.astype(np.float64)
    mean_a, mean_b = a.mean(0), b.mean(0)
    root_a = (a - mean_a) / np.sqrt(max(len(a) - 1, 1))
    root_b = (b - mean_b) / np.sqrt(max(len(b) - 1, 1))
    if min(len(a), len(b)) <= _DUAL_LIMIT:
        cross = float(np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum())
    else:
        cross = _trace_sqrt_product(root_a.T @ root_a, root_b.T @ root_b)
    spread = float((root_a**2).sum() + (root_b**2).sum())
    return max(0.0, float(((mean_a - mean_b) ** 2).sum()) + spread - 2 * cross)


def _trace_sqrt_product(s1: Floats, s2: Floats) -> float:
    """Tr sqrt(S1 S2) through the symmetric product sqrt(S1) S2 sqrt(S1)."""
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(root @ s2 @ root), 0, None)).sum())


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


FRECHET = Distance(
    name="frechet_distance",
    heading="Fréchet distance",
    of=frechet_distance,
    bounds=(0, inf),
    better="lower",
    unit="",
    leaderboard=True,
    summary=True,
    compared="distance",
    of_rows=frechet_of,
    in_inception="FID",
)

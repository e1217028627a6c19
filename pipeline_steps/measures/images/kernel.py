"""The kernel distance. It is called KID where the features are Inception's alone."""

from math import inf

import numpy as np

from pipeline_steps.measures.images.frechet import Distance
from pipeline_steps.measures.images.sides import Floats, Products, Rows, Sides, cubic_kernel


def kernel_distance(sides: Sides) -> float:
    """Squared MMD with the cubic polynomial kernel (Bińkowski et al. 2018, eq. 4); needs two rows each.

    Unbiased if rows are independent. It takes all pairs of rows, where clean-fid averages over random subsets.
    """

    def mean_off_diagonal(x: Floats) -> float:
        k = cubic_kernel(x, x)
        return float((k.sum() - np.trace(k)) / (len(x) * (len(x) - 1)))

    a, b = sides.real.astype(np.float64), sides.made.astype(np.float64)
    return mean_off_diagonal(a) + mean_off_diagonal(b) - 2 * float(cubic_kernel(a, b).mean())


def kernel_of(p: Products, i: Rows, j: Rows) -> float:
    """``kernel_distance`` of the rows ``i`` and ``j``, of at least two each."""

    def mean_off_diagonal(k: Floats, rows: Rows) -> float:
        return float((k[np.ix_(rows, rows)].sum() - k[rows, rows].sum()) / (len(rows) * (len(rows) - 1)))

    among_a, among_b, between = p.kernels
    return mean_off_diagonal(among_a, i) + mean_off_diagonal(among_b, j) - 2 * float(between[np.ix_(i, j)].mean())


KERNEL = Distance(
    name="kernel_distance",
    heading="kernel distance",
    of=kernel_distance,
    bounds=(-inf, inf),
    better="lower",
    unit="",
    digits=2,
    leaderboard=True,
    of_rows=kernel_of,
    in_inception="KID",
)

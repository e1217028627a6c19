"""The kernel distance. It is called KID where the features are Inception's alone."""

from math import inf

import numpy as np

from pipeline_steps.measures.images.frechet import Distance
from pipeline_steps.measures.images.sides import Bools, Features, Floats, Parts, Sides, everything, inner_products
from pipeline_steps.statistics.blocks import row_blocks


def kernel_distance(sides: Sides) -> float:
    """Squared MMD with the cubic polynomial kernel (Bińkowski et al. 2018, eq. 4); needs two rows each.

    Unbiased if rows are independent. It takes all pairs of rows, where clean-fid averages over random subsets.
    """
    return float(kernel_of_parts(sides, everything(sides))[0])


def kernel_of_parts(sides: Sides, parts: Parts) -> Floats:
    """``kernel_distance`` (R,) of each part, of at least two rows a side."""
    (a, in_a), (b, in_b) = (sides.real, parts.real), (sides.made, parts.made)
    n, m = in_a.sum(0), in_b.sum(0)
    among_a, among_b = (_kernel_sums(x, x, where, where) for x, where in ((a, in_a), (b, in_b)))
    return among_a / (n * (n - 1)) + among_b / (m * (m - 1)) - 2 * _kernel_sums(a, b, in_a, in_b) / (n * m)


def _kernel_sums(x: Features, y: Features, in_x: Bools, in_y: Bools) -> Floats:
    """Sums (R,) of (x·y / D + 1)³ over the pairs of each part, h_xᵀ K h_y; but for a row with itself, if y is x."""
    sums, row_bytes = np.zeros(in_x.shape[1]), in_x.shape[1] * 8
    for rows, products in inner_products(x, y, 0.0, row_bytes):
        kernel = _cubed(products, x.shape[1])
        if x is y:
            kernel[np.arange(len(kernel)), np.arange(rows.start, rows.stop)] = 0
        of_rows = np.zeros((len(kernel), len(sums)))
        for columns in row_blocks(len(y), row_bytes):
            of_rows += kernel[:, columns] @ in_y[columns].astype(np.float64)
        sums += np.einsum("br,br->r", of_rows, in_x[rows])
    return sums


def _cubed(products: Floats, d: int) -> Floats:
    """The kernel of inner products, which are overwritten."""
    products /= d
    products += 1
    kernel = products * products
    kernel *= products
    return kernel


KERNEL = Distance(
    name="kernel_distance",
    heading="kernel distance",
    of=kernel_distance,
    bounds=(-inf, inf),
    better="lower",
    unit="",
    digits=2,
    leaderboard=True,
    of_parts=kernel_of_parts,
    in_inception="KID",
)

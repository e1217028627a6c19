"""Two sets of images as features, real and generated, and what the distances of any part of them need."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Sides:
    """Features ``real`` (n, D) and ``made`` (m, D); ``neighbours``: how far the balls of precision and recall reach."""

    real: Features
    made: Features
    neighbours: int

    def part(self, i: Rows, j: Rows) -> "Sides":
        """The rows ``i`` of the real ones and ``j`` of the generated ones."""
        return Sides(self.real[i], self.made[j], self.neighbours)


@dataclass(frozen=True)
class Products:
    """All that the distances of any subset of rows need, computed once.

    Inner products of features about their common mean: ``cross`` (n, m), and the squared lengths and sums that follow
    from ``a`` (n, D) and ``b`` (m, D); the kernel's values; squared distances.
    """

    sides: Sides
    a: Floats
    b: Floats
    cross: Floats
    kernels: tuple[Floats, Floats, Floats]  # among a, among b, between
    squared: tuple[Floats, Floats, Floats]


def products(sides: Sides) -> Products:
    """Of all rows."""
    from sklearn.metrics.pairwise import euclidean_distances  # late: the report names measures and takes none

    a, b = sides.real.astype(np.float64), sides.made.astype(np.float64)
    kernels = cubic_kernel(a, a), cubic_kernel(b, b), cubic_kernel(a, b)
    centre = np.concatenate([a, b]).mean(0)  # distances don't change by it, and differences of squares keep digits
    a, b = a - centre, b - centre
    squared = tuple(euclidean_distances(x, y, squared=True) for x, y in ((a, a), (b, b), (a, b)))
    return Products(sides, a, b, a @ b.T, kernels, squared)


def cubic_kernel(x: Floats, y: Floats) -> Floats:
    """(x·y / D + 1)³ of rows (n, D) and (m, D), as (n, m)."""
    from sklearn.metrics.pairwise import polynomial_kernel

    return np.asarray(polynomial_kernel(x, y, degree=3, coef0=1), np.float64)

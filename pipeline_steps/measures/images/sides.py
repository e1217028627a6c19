"""Two sets of images as features, real and generated, and what is computed of their pairs, some rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_steps.statistics.blocks import row_blocks

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sides:
    """Features ``real`` (n, D) and ``made`` (m, D); ``neighbours``: how far the balls of precision and recall reach."""

    real: Features
    made: Features
    neighbours: int

    def part(self, i: Rows, j: Rows) -> "Sides":
        """The rows ``i`` of the real ones and ``j`` of the generated ones."""
        return Sides(self.real[i], self.made[j], self.neighbours)

    def centre(self) -> Floats:
        """The mean (D,) of both: no distance changes where it is taken off, and differences of squares keep digits."""
        total = self.real.sum(0, dtype=np.float64) + self.made.sum(0, dtype=np.float64)
        return np.asarray(total / (len(self.real) + len(self.made)))


@dataclass(frozen=True)
class Parts:
    """Which rows are in each of R parts of both sides: ``real`` (n, R), and ``made`` (m, R)."""

    real: Bools
    made: Bools


def everything(sides: Sides) -> Parts:
    """All rows, as the one part."""
    return Parts(np.ones((len(sides.real), 1), bool), np.ones((len(sides.made), 1), bool))


def inner_products(x: Features, y: Features, centre: Floats | float, row_bytes: int) -> Iterator[tuple[slice, Floats]]:
    """Blocks of rows of ``x`` (n, D), and their inner products (B, m) with all rows of ``y``, both less ``centre``.

    ``row_bytes``: of what else is kept of a row meanwhile.
    """
    wide = x.shape[1] * 8
    for rows in row_blocks(len(x), max(row_bytes, wide, len(y) * 8)):
        block, products = x[rows].astype(np.float64) - centre, np.empty((rows.stop - rows.start, len(y)))
        for columns in row_blocks(len(y), wide):
            np.matmul(block, (y[columns].astype(np.float64) - centre).T, out=products[:, columns])
        yield rows, products


def squared_distances(
    x: Features, y: Features, centre: Floats | float, row_bytes: int
) -> Iterator[tuple[slice, Floats]]:
    """The same with squared Euclidean distances, which are 0 exactly from a row to itself, where ``y`` is ``x``."""
    lengths_x, lengths_y = (_squared_lengths(side, centre) for side in (x, y))
    for rows, products in inner_products(x, y, centre, row_bytes):
        squared = _from_products(products, lengths_x[rows], lengths_y)
        if x is y:
            squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = 0
        yield rows, squared


def _from_products(products: Floats, lengths_x: Floats, lengths_y: Floats) -> Floats:
    """Squared distances by the inner products, which are overwritten."""
    products *= -2
    products += lengths_x[:, None]
    products += lengths_y
    return np.maximum(products, 0, out=products)


def _squared_lengths(x: Features, centre: Floats | float) -> Floats:
    blocks = (x[rows].astype(np.float64) - centre for rows in row_blocks(len(x), x.shape[1] * 8))
    return np.concatenate([np.einsum("ij,ij->i", block, block) for block in blocks])

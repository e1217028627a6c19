"""Improved precision and recall (Kynkäänniemi et al. 2019, eqs. 1-2): who lies in whose balls."""

import numpy as np
import numpy.typing as npt

from pipeline_steps.measures.images.frechet import Distance
from pipeline_steps.measures.images.sides import Floats, Products, Rows, Sides, squared_distances


def precision(sides: Sides) -> float:
    """The share of generated images in a ball around a real one, which reaches to its ``neighbours``-th neighbour."""
    real, made = sides.real.astype(np.float64), sides.made.astype(np.float64)
    reach = radii(squared_distances(real, real), sides.neighbours)
    return float(inside(squared_distances(made, real), reach).mean())


def recall(sides: Sides) -> float:
    """The share of real images in a ball around a generated one."""
    real, made = sides.real.astype(np.float64), sides.made.astype(np.float64)
    reach = radii(squared_distances(made, made), sides.neighbours)
    return float(inside(squared_distances(made, real).T, reach).mean())


def precision_of(p: Products, i: Rows, j: Rows) -> float:
    """``precision`` of the real rows ``i`` and the generated ``j``."""
    among, _, between = p.squared
    return float(inside(between[np.ix_(i, j)].T, radii(among[np.ix_(i, i)], p.sides.neighbours)).mean())


def recall_of(p: Products, i: Rows, j: Rows) -> float:
    """``recall`` of the real rows ``i`` and the generated ``j``."""
    _, among, between = p.squared
    return float(inside(between[np.ix_(i, j)], radii(among[np.ix_(j, j)], p.sides.neighbours)).mean())


def radii(squared: Floats, k: int) -> Floats:
    """Squared distance (n,) of each point to its ``k``-th nearest other one; ``squared`` (n, n) is among them all.

    Of fewer points than that, to the farthest. A point that is there twice is its own neighbour at distance 0.
    """
    k = min(k, len(squared) - 1)
    found: Floats = np.partition(squared, k, axis=1)[:, k]
    return found


def inside(squared: Floats, radii: Floats) -> npt.NDArray[np.bool_]:
    """Which of the points (n,) lie in a ball around any centre; ``squared`` (n, m) is from points to centres."""
    return np.asarray((squared <= radii).any(axis=1), bool)


PRECISION = Distance(
    "precision",
    "precision",
    precision,
    (0, 1),
    "higher",
    unit="",
    digits=2,
    leaderboard=True,
    of_rows=precision_of,
)
RECALL = Distance("recall", "recall", recall, (0, 1), "higher", unit="", digits=2, leaderboard=True, of_rows=recall_of)

"""Improved precision and recall (Kynkäänniemi et al. 2019, eqs. 1-2): who lies in whose balls."""

import numpy as np
import numpy.typing as npt

from pipeline_steps.measures.images.frechet import Distance
from pipeline_steps.measures.images.sides import Features, Floats, Products, Rows, Sides


def precision(sides: Sides) -> float:
    """The share of generated images in a ball around a real one, which reaches to its ``neighbours``-th neighbour."""
    return _share_inside(sides.made, sides.real, sides.neighbours)


def recall(sides: Sides) -> float:
    """The share of real images in a ball around a generated one."""
    return _share_inside(sides.real, sides.made, sides.neighbours)


def _share_inside(points: Features, centres: Features, k: int) -> float:
    """The share of ``points`` (n, D) in the balls around ``centres`` (m, D); some rows of distances at a time."""
    from sklearn.metrics import pairwise_distances_chunked  # late: the report names measures and takes none
    from sklearn.neighbors import NearestNeighbors

    points, centres = points.astype(np.float64), centres.astype(np.float64)
    among = NearestNeighbors(n_neighbors=min(k, len(centres) - 1), algorithm="brute").fit(centres)
    reach = among.kneighbors()[0][:, -1]
    parts = pairwise_distances_chunked(points, centres, reduce_func=lambda d, _: inside(d, reach))
    return float(np.concatenate(list(parts)).mean())


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

"""Improved precision and recall (Kynkäänniemi et al. 2019, eqs. 1-2): who lies in whose balls."""

import numpy as np

from pipeline_steps.measures.images.frechet import Distance
from pipeline_steps.measures.images.sides import Bools, Features, Floats, Parts, Sides, everything, squared_distances


def precision(sides: Sides) -> float:
    """The share of generated images in a ball around a real one, which reaches to its ``neighbours``-th neighbour."""
    return float(precision_of_parts(sides, everything(sides))[0])


def recall(sides: Sides) -> float:
    """The share of real images in a ball around a generated one."""
    return float(recall_of_parts(sides, everything(sides))[0])


def precision_of_parts(sides: Sides, parts: Parts) -> Floats:
    """``precision`` (R,) of each part."""
    inside = _inside((sides.made, sides.real), parts.real, sides.neighbours, sides.centre())
    return np.asarray((inside & parts.made).sum(0) / parts.made.sum(0))


def recall_of_parts(sides: Sides, parts: Parts) -> Floats:
    """``recall`` (R,) of each part."""
    inside = _inside((sides.real, sides.made), parts.made, sides.neighbours, sides.centre())
    return np.asarray((inside & parts.real).sum(0) / parts.real.sum(0))


def _inside(sides: tuple[Features, Features], parts: Bools, k: int, centre: Floats) -> Bools:
    """Which points lie in a ball around any centre of each part (n, R).

    ``sides``: points (n, D) and centres (m, D); ``parts`` (m, R): which centres are in. Few points are so near to a
    centre that they lie in any part's ball around it: only those are looked at part by part.
    """
    points, centres = sides
    inside, row_bytes = np.zeros((len(points), parts.shape[1]), bool), max(*map(len, sides), parts.shape[1]) * 8
    among = squared_distances(centres, centres, centre, row_bytes)
    across = squared_distances(centres, points, centre, row_bytes)
    for (rows, to_centres), (_, to_points) in zip(among, across, strict=True):
        reach = radii(to_centres, parts, parts[rows], k)
        for squared, of_parts in zip(to_points, reach, strict=True):
            near = np.flatnonzero(squared <= of_parts.max())
            inside[near] |= squared[near, None] <= of_parts
    return inside


def radii(squared: Floats, parts: Bools, own: Bools, k: int) -> Floats:
    """Squared distance (B, R) of each point, in each part, to its ``k``-th nearest other one there; -1 if it is not in.

    ``squared`` (B, m) is from some points to all, ``parts`` (m, R) says who is in, ``own`` (B, R) which of the points.
    Of fewer points than that, to the farthest. A point that is there twice is its own neighbour at distance 0.
    """
    wanted = np.minimum(k + 1, parts.sum(0))  # the nearest in its part is the point itself
    found = np.full(own.shape, -1.0)
    left, depth = np.arange(len(squared)), 8 * (k + 1)
    while len(left):
        found[left] = _walked(squared[left], parts, own[left], wanted, depth)
        left, depth = left[(own[left] & (found[left] < 0)).any(1)], 8 * depth
    return found


def _walked(squared: Floats, parts: Bools, own: Bools, wanted: Floats, depth: int) -> Floats:
    """The radii that the ``depth`` nearest points of all tell, from the nearest on; -1 where they don't."""
    depth = min(depth, squared.shape[1])
    some = np.argpartition(squared, depth - 1, axis=1)[:, :depth]
    order = np.argsort(np.take_along_axis(squared, some, axis=1), axis=1)
    nearest = np.take_along_axis(some, order, axis=1)
    distances = np.take_along_axis(squared, nearest, axis=1)
    found, passed = np.full(own.shape, -1.0), np.zeros(own.shape, np.int32)
    for step in range(depth):
        inside = parts[nearest[:, step]]
        passed += inside
        np.copyto(found, distances[:, step, None], where=inside & own & (passed == wanted))
    return found


PRECISION = Distance(
    "precision",
    "precision",
    precision,
    (0, 1),
    "higher",
    unit="",
    digits=2,
    leaderboard=True,
    of_parts=precision_of_parts,
)
RECALL = Distance(
    "recall", "recall", recall, (0, 1), "higher", unit="", digits=2, leaderboard=True, of_parts=recall_of_parts
)

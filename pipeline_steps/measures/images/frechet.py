"""The Fréchet distance. It is called FID where the features are Inception's alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

import numpy as np

from pipeline_steps.measures.images.sides import Bools, Features, Floats, Parts, Rows, Sides, inner_products
from pipeline_steps.measures.measure import Measure
from pipeline_steps.statistics.blocks import fits_in_a_block, row_blocks

Distance = Measure[Callable[[Sides], float]]


def frechet_distance(sides: Sides) -> float:
    """Fréchet distance (Heusel et al. 2017, eq. 6) between Gaussians fitted to rows (n, D) and (m, D).

    It is biased: of few images it is too large, by about a constant over their number, and the constant differs
    between generators (Chong and Forsyth 2020, arXiv 1911.07023; Bińkowski et al. 2018). So distances of unequal counts
    do not compare, and those of equal counts only roughly.

    Tr sqrt(S1 S2) is the nuclear norm of A Bᵀ, where A, B are any roots of the covariances, AᵀA = S1 and BᵀB = S2:
    exact, and thousands of times faster than the matrix square root where rows are few.
    """
    mean_a, mean_b = (side.mean(0, dtype=np.float64) for side in (sides.real, sides.made))
    root_a, root_b = _root(sides.real, mean_a), _root(sides.made, mean_b)
    cross = float(np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum())
    spread = float((root_a**2).sum() + (root_b**2).sum())
    return max(0.0, float(((mean_a - mean_b) ** 2).sum()) + spread - 2 * cross)


def _root(features: Features, mean: Floats) -> Floats:
    """A root (min(n, D), D) of the rows' covariance: the centred rows, or their R factor, a block after the other."""
    (n, d), scale = features.shape, np.sqrt(max(len(features) - 1, 1))
    root = np.empty((0, d))
    for rows in row_blocks(n, d * 8):
        root = np.concatenate([root, (features[rows].astype(np.float64) - mean) / scale])
        if len(root) > d:
            root = np.asarray(np.linalg.qr(root, mode="r"))
    return root


def frechet_of_parts(sides: Sides, parts: Parts) -> Floats:
    """``frechet_distance`` (R,) of each part, of at least two rows a side."""
    centre, both = sides.centre(), ((sides.real, parts.real), (sides.made, parts.made))
    (mean_a, spread_a), (mean_b, spread_b) = (_moments(features, which, centre) for features, which in both)
    products = None  # (n, m) of all rows, where that is no more than a block: then no part has to make its own
    if fits_in_a_block(len(sides.real), len(sides.made) * 8):
        products = np.concatenate([block for _, block in inner_products(sides.real, sides.made, centre, 1)])
    cross = np.empty(len(mean_a))
    for part, means in enumerate(zip(mean_a, mean_b, strict=True)):
        a, b = (_Part(x, np.flatnonzero(of[:, part]), centre + m) for (x, of), m in zip(both, means, strict=True))
        cross[part] = _trace_sqrt(a, b, products)
    shift = ((mean_a - mean_b) ** 2).sum(1)
    return np.asarray(np.maximum(0, shift + spread_a + spread_b - 2 * cross))


def _moments(features: Features, parts: Bools, centre: Floats) -> tuple[Floats, Floats]:
    """Mean (R, D) of each part of the rows, less ``centre``, and the trace (R,) of its covariance."""
    counts, row_bytes = parts.sum(0), max(features.shape[1], parts.shape[1]) * 8
    sums, squares = np.zeros((len(counts), features.shape[1])), np.zeros(len(counts))
    for rows in row_blocks(len(features), row_bytes):
        x, which = features[rows].astype(np.float64) - centre, parts[rows].T.astype(np.float64)
        sums += which @ x
        squares += which @ np.einsum("ij,ij->i", x, x)
    means = sums / counts[:, None]
    return means, (squares - counts * (means**2).sum(1)) / (counts - 1)


@dataclass(frozen=True)
class _Part:
    """Some ``rows`` of a side's ``features`` and their ``mean`` (D,)."""

    features: Features
    rows: Rows
    mean: Floats

    def centred(self, row_bytes: int = 1) -> Iterator[Floats]:
        """Blocks (B, D) of the rows less their mean; ``row_bytes``: of what else is kept of a row."""
        for chosen in row_blocks(len(self.rows), max(row_bytes, self.features.shape[1] * 8)):
            yield self.features[self.rows[chosen]].astype(np.float64) - self.mean


def _trace_sqrt(a: _Part, b: _Part, products: Floats | None) -> float:
    """Tr sqrt(S1 S2) by the smallest matrix that has its eigenvalues: of fewer rows than D, or D x D."""
    if min(len(a.rows), len(b.rows)) > a.features.shape[1]:
        return _trace_sqrt_product(_covariance(a), _covariance(b))
    gram = _gram(a, b) if products is None else _gram_of(products[np.ix_(a.rows, b.rows)])
    values = np.linalg.eigvalsh(gram) / ((len(a.rows) - 1) * (len(b.rows) - 1))
    return float(np.sqrt(np.clip(values, 0, None)).sum())


def _gram_of(cross: Floats) -> Floats:
    """The smaller of C Cᵀ and Cᵀ C, where C is the centred ``cross``."""
    centred = cross - (cross.mean(1) - cross.mean())[:, None] - cross.mean(0)
    return np.asarray(centred @ centred.T if len(cross) <= cross.shape[1] else centred.T @ centred)


def _gram(a: _Part, b: _Part) -> Floats:
    """The same from features, of which the larger part comes by blocks."""
    few, many = (a, b) if len(a.rows) <= len(b.rows) else (b, a)
    rows = np.concatenate(list(few.centred()))
    blocks = (rows @ block.T for block in many.centred(len(rows) * 8))
    return sum((cross @ cross.T for cross in blocks), np.zeros((len(rows), len(rows))))


def _covariance(part: _Part) -> Floats:
    d = part.features.shape[1]
    return sum((block.T @ block for block in part.centred()), np.zeros((d, d))) / (len(part.rows) - 1)


def _trace_sqrt_product(s1: Floats, s2: Floats) -> float:
    """Tr sqrt(S1 S2) through the symmetric product sqrt(S1) S2 sqrt(S1)."""
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(root @ s2 @ root), 0, None)).sum())


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
    of_parts=frechet_of_parts,
    in_inception="FID",
)

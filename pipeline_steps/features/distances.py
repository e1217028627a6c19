"""Distances between two sets of features: Fréchet, kernel, precision and recall.

They are called FID and KID where the features are Inception's alone; in any other network's features they are a Fréchet
and a kernel distance in those.
"""

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
_DUAL_LIMIT = 1500


def frechet_distance(a: Features, b: Features) -> float:
    """Fréchet distance (Heusel et al. 2017, eq. 6) between Gaussians fitted to rows (n, D) and (m, D).

    It is biased: of few images it is too large, by about a constant over their number, and the constant differs
    between generators (Chong and Forsyth 2020, arXiv 1911.07023; Bińkowski et al. 2018). So distances of unequal counts
    do not compare, and those of equal counts only roughly.

    With few rows Tr sqrt(S1 S2) is the nuclear norm of A Bᵀ, where A, B are the centred features over
    sqrt(n - 1): exact, and thousands of times faster than the matrix square root.
    """
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = a64.mean(0), b64.mean(0)
    root_a = (a64 - mean_a) / np.sqrt(max(len(a) - 1, 1))
    root_b = (b64 - mean_b) / np.sqrt(max(len(b) - 1, 1))
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


def kernel_distance(a: Features, b: Features) -> float:
    """Squared MMD with the cubic polynomial kernel (Bińkowski et al. 2018, eq. 4); needs two rows each.

    Unbiased if rows are independent. It takes all pairs of rows, where clean-fid averages over random subsets.
    """

    def mean_off_diagonal(x: Floats) -> float:
        k = cubic_kernel(x, x)
        return float((k.sum() - np.trace(k)) / (len(x) * (len(x) - 1)))

    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    return mean_off_diagonal(a64) + mean_off_diagonal(b64) - 2 * float(cubic_kernel(a64, b64).mean())


def cubic_kernel(x: Floats, y: Floats) -> Floats:
    """(x·y / D + 1)³ of rows (n, D) and (m, D), as (n, m)."""
    product: Floats = (x @ y.T / x.shape[1] + 1) ** 3
    return product


def precision_recall(real: Features, made: Features, k: int) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, eqs. 1-2) with balls to the ``k``-th neighbour."""
    real64, made64 = real.astype(np.float64), made.astype(np.float64)
    between = squared_distances(made64, real64)
    precision = inside(between, radii(squared_distances(real64, real64), k))
    recall = inside(between.T, radii(squared_distances(made64, made64), k))
    return float(precision.mean()), float(recall.mean())


def squared_distances(x: Floats, y: Floats) -> Floats:
    """Squared Euclidean distances (n, m) of rows (n, D) and (m, D)."""
    squared: Floats = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return np.clip(squared, 0, None)


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

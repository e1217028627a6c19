"""Distances between two sets of features: Fréchet, kernel, precision and recall.

What they are called depends on the network: with Inception's features under clean-fid's resizing they are FID and KID,
with another's a Fréchet and a kernel distance in that network's features.
"""

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
DUAL_LIMIT = 1500  # rows of the smaller set up to which products of rows are smaller than covariances are dear


def frechet_distance(a: Features, b: Features) -> float:
    """Fréchet distance (Heusel et al. 2017, eq. 6) between Gaussians fitted to rows (n, D) and (m, D).

    With few rows Tr sqrt(S1 S2) is the nuclear norm of A Bᵀ, where A, B are the centred features over
    sqrt(n - 1): exact, and thousands of times faster than the matrix square root. Of few rows it is biased upwards
    (Chong and Forsyth 2020), so only distances of equal counts compare.
    """
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = a64.mean(0), b64.mean(0)
    root_a = (a64 - mean_a) / np.sqrt(max(len(a) - 1, 1))
    root_b = (b64 - mean_b) / np.sqrt(max(len(b) - 1, 1))
    if min(len(a), len(b)) <= DUAL_LIMIT:
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


def polynomial_kernel(x: Floats, y: Floats) -> Floats:
    """The cubic kernel (n, m) of rows (n, D) and (m, D) that KID takes (Binkowski et al. 2018, section 4)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kernel_distance(a: Features, b: Features) -> float:
    """Unbiased squared MMD with the cubic polynomial kernel (Binkowski et al. 2018, eq. 4); needs two rows each."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)

    def mean_off_diagonal(x: Floats) -> float:
        k = polynomial_kernel(x, x)
        return float((k.sum() - np.trace(k)) / (len(x) * (len(x) - 1)))

    across = float(polynomial_kernel(a64, b64).mean())
    return mean_off_diagonal(a64) + mean_off_diagonal(b64) - 2 * across


def precision_recall(real: Features, made: Features, k: int = 3) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which images lie among those of the other set: made ones (M,) among real, real ones (N,) among made.

    Their shares are improved precision and recall (Kynkäänniemi et al. 2019, eqs. 1-2), by balls as large as the
    distance to the k-th nearest neighbour.
    """

    def distances(x: Features, y: Features) -> Floats:
        x64, y64 = x.astype(np.float64), y.astype(np.float64)
        squared = (x64**2).sum(1)[:, None] + (y64**2).sum(1) - 2 * x64 @ y64.T
        return np.clip(squared, 0, None)

    def inside(points: Features, manifold: Features) -> npt.NDArray[np.bool_]:
        k_own = min(k, len(manifold) - 1)
        radii = np.partition(distances(manifold, manifold), k_own, axis=1)[:, k_own]
        found: npt.NDArray[np.bool_] = np.any(distances(points, manifold) <= radii, axis=1)
        return found

    return inside(made, real), inside(real, made)

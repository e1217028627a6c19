"""The distance below which a generated image counts as memorised, from real images that trained nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Limit:
    """The distance below which an image counts as memorised: NaN, and nothing does, without validation images.

    ``exceeded_by``: the share of other real images that would be nearer, k / (n + 1) for the k-th smallest of n =
    ``images`` distances (exchangeable images: the rank of a new one is uniform). ``too_few``: the ``groups`` of these
    are too few to tell ``wanted``, the quantile that was asked for.
    """

    distance: float
    wanted: float
    exceeded_by: float
    images: int
    groups: int
    too_few: bool


def memorisation_limit(held_out: npt.NDArray[np.float32], groups: Sequence[str], quantile: float) -> Limit:
    """From the distance (n,) of each real validation image to its nearest training image.

    The k-th smallest of them, k the largest with k / (n + 1) <= ``quantile``. Where even the smallest is a larger
    quantile (fewer than 99 images for 1 %) the smallest is taken, and marked: nothing is extrapolated below it, so more
    is rejected than was asked for, and what is rejected lies nearer than any real image that is known.
    """
    n, count = len(held_out), len(set(groups))
    if not n:
        return Limit(np.nan, quantile, np.nan, 0, 0, True)
    k = max(1, int(quantile * (n + 1) + 1e-9))
    return Limit(float(np.sort(held_out)[k - 1]), quantile, k / (n + 1), n, count, quantile * (count + 1) < 1 - 1e-9)

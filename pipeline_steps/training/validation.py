"""Which validation images trainings are measured on: all of them, or of a large set a fixed sample.

A training measures again and again, so that all of a large set would cost more batches than it trains on. An accuracy
on ``MOST`` images has a standard error of at most 1.1 points (half of one over the square root of 2,000), which is
enough to choose a checkpoint by; what is reported comes from the test partitions, which are never sampled.
"""

import numpy as np
import numpy.typing as npt

MOST = 2_000
_SEED = 0  # not the training's: all arms and draws of one validation set are measured on the same images


def validation_rows(count: int) -> npt.NDArray[np.int64]:
    """Rows, in order, of the ``count`` validation images that are measured: all, or ``MOST`` drawn without return."""
    if count <= MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng(_SEED).choice(count, MOST, replace=False))

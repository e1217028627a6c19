"""What a network trains on: the arms of a comparison."""

import hashlib
from typing import Literal

import numpy as np

from pipeline_steps.records.errors import DataError
from pipeline_steps.vision.classic import Classic
from pipeline_steps.vision.views import Labelled


class ArmParams(Classic):
    """One entry of ``arms`` in params.yaml: which images, and what is done to them.

    ``copies``: of so many generated images of each source (0: of all), as a ratio to the real ones.
    """

    images: Literal["real", "real_repeated", "syn", "real_syn"]
    copies: int


def mixture(images: str, real: Labelled, synthetic: Labelled | None) -> Labelled:
    """The training set of an arm. ``real_repeated`` has as many images as ``real_syn``, all of them real.

    Raises:
        DataError: no synthetic image is left for an arm that needs them.
    """
    if images == "real":
        return real
    if synthetic is None or not len(synthetic.images):
        raise DataError(f"there is no synthetic image for {images!r}: screen rejected all; see metrics/screen")
    if images == "syn":
        return synthetic
    if images == "real_repeated":
        rows = np.resize(np.arange(len(real.images)), len(real.images) + len(synthetic.images))
        return Labelled(real.images[rows], real.labels[rows])
    return Labelled(np.concatenate([real.images, synthetic.images]), np.concatenate([real.labels, synthetic.labels]))


def cell_seed(seed: int, *names: str) -> int:
    """One seed for all arms of (split, architecture): comparisons between arms are paired."""
    return int(hashlib.sha256(" ".join([str(seed), *names]).encode()).hexdigest()[:8], 16)

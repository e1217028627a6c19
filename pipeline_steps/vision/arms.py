"""What a network trains on: the arms of a comparison."""

import hashlib

from pipeline_steps.parameters.arms import ArmParams, Mixture
from pipeline_steps.records.image_files import joined
from pipeline_steps.stage.errors import DataError
from pipeline_steps.vision.views import Labelled


def mixture(images: Mixture, real: Labelled, synthetic: Labelled | None) -> Labelled:
    """The training set of an arm.

    Raises:
        DataError: no synthetic image is left for an arm that needs them.
    """
    if images == "real":
        return real
    if synthetic is None or not len(synthetic.images):
        raise DataError(f"there is no synthetic image for {images!r}: screen rejected all; see metrics/screen")
    if images == "syn":
        return synthetic
    return Labelled(joined(real.images, synthetic.images), joined(real.labels, synthetic.labels))


def cell_seed(seed: int, arm: ArmParams, *names: str) -> int:
    """One seed for all arms of (split, architecture), so that comparisons between them are paired; an arm's own beside.

    It decides first weights, batches, crops and flips: of two arms that differ in ``seed`` alone, the difference is
    what chance makes of one and the same training.
    """
    own = [f"seed {arm.seed}"] if arm.seed else []
    return int(hashlib.sha256(" ".join([str(seed), *names, *own]).encode()).hexdigest()[:8], 16)

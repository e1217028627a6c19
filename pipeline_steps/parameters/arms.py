"""What a network trains on: the arms of a comparison."""

from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat

from pipeline_steps.stage.params import Params

Mixture = Literal["real", "syn", "real_syn"]


class Classic(Params):
    """``mix_alpha``: both parameters of the beta distribution that the mixed share is drawn from."""

    policy: Literal["none", "trivial_augment_wide", "auto_augment", "rand_augment", "augmix"]
    mix: Literal["none", "mixup", "cutmix"]
    mix_alpha: PositiveFloat


class ArmParams(Classic):
    """One entry of ``arms`` in params.yaml: which images, and what is done to them.

    ``copies``: of so many generated images of each source (0: of all), as a ratio to the real ones. ``seed``: 0 is
    the one that all arms share, so that comparisons are paired; another number is another draw of the same training.
    """

    images: Mixture
    copies: NonNegativeInt
    seed: NonNegativeInt

"""How a classifier or a segmenter is trained."""

from typing import Literal, Self

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from pipeline_steps.parameters.bounds import Seed, Share
from pipeline_steps.stage.params import Params


class Supervision(Params):
    """How to train: ``updates`` optimiser steps whatever the size of the training set.

    ``precision`` bfloat16 is mixed: weights, losses and scores stay in 32 bits.
    """

    updates: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    schedule: Literal["cosine", "step"]
    milestones: tuple[Share, ...]
    validate_every: PositiveInt
    input_size: PositiveInt
    crop_scale: tuple[Share, Share]
    rotation_degrees: NonNegativeFloat
    horizontal_flip: bool
    precision: Literal["float32", "bfloat16"]
    seed: Seed

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> Self:
        if self.crop_scale[0] > self.crop_scale[1]:
            raise ValueError(f"crop_scale runs from the smaller share to the larger, not {self.crop_scale}")
        return self

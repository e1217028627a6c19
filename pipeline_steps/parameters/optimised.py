"""How the training of a denoiser is optimised, as every stage that trains one reads it."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline_steps.parameters.bounds import Fraction, ImageSize, Seed, Threads
from pipeline_steps.stage.params import SHIPPED_FILE, Params

EmaDecay = Annotated[float, Field(ge=0, lt=1)]


class Training(Params):
    """How one part of a model is optimised; ``learning_rate`` is the one that the optimiser sees."""

    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    warmup_steps: NonNegativeInt
    max_grad_norm: NonNegativeFloat  # 0: gradients are not clipped
    ema_decay: EmaDecay


class Optimised(Training):
    """What any training of a denoiser takes."""

    seed: Seed


class TrainingParams(Optimised):
    """How a fine-tuning is optimised."""

    schedule: Literal["constant", "cosine"]
    snr_gamma: NonNegativeFloat
    validate_every: PositiveInt
    checkpoint_every: PositiveInt


class Derivation(Optimised):
    """How to train on so many ``images`` of generic marks, their captions dropped at times for guidance's sake.

    The learning rate falls along a cosine.
    """

    read_from: ClassVar[Path] = SHIPPED_FILE

    threads: Threads
    image_size: ImageSize
    images: PositiveInt
    caption_dropout: Fraction

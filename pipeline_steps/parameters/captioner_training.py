"""How the shipped captioner is trained."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline_steps.parameters.bounds import Seed, Threads
from pipeline_steps.parameters.optimised import EmaDecay
from pipeline_steps.stage.params import SHIPPED_FILE, Params


class OptimisationParams(Params):
    """What the training loop needs."""

    steps: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    warmup_steps: NonNegativeInt
    schedule: Literal["constant", "cosine"]
    max_grad_norm: NonNegativeFloat  # 0: gradients are not clipped
    ema_decay: EmaDecay
    seed: Seed


class CaptionerTraining(Params):
    """``captioner_training`` in config/shipped.yaml."""

    read_from: ClassVar[Path] = SHIPPED_FILE

    threads: Threads
    images: PositiveInt
    vocabulary: PositiveInt
    vision: dict[str, int]
    text: dict[str, int]
    batch_size: PositiveInt
    optimisation: OptimisationParams

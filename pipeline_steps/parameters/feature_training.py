"""How the shipped feature network is trained."""

from pathlib import Path
from typing import ClassVar

from pydantic import PositiveFloat, PositiveInt

from pipeline_steps.parameters.bounds import ImageSize, Seed, Threads
from pipeline_steps.stage.params import SHIPPED_FILE, Params


class FeatureTraining(Params):
    """``feature_training`` in config/shipped.yaml."""

    read_from: ClassVar[Path] = SHIPPED_FILE

    seed: Seed
    threads: Threads
    image_size: ImageSize
    images: PositiveInt
    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat

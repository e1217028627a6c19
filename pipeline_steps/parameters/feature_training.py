"""How the shipped feature network is trained."""

from pydantic import PositiveFloat, PositiveInt

from pipeline_steps.parameters.bounds import ImageSize, Seed, Threads
from pipeline_steps.stage.params import Params


class FeatureTraining(Params):
    """``feature_training`` in params.yaml."""

    seed: Seed
    threads: Threads
    image_size: ImageSize
    images: PositiveInt
    steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat

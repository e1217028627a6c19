"""How the shipped base model is trained."""

from pydantic import PositiveInt

from pipeline_steps.parameters.bounds import Fraction, ImageSize, Seed, Threads
from pipeline_steps.parameters.optimised import Training
from pipeline_steps.stage.params import Params


class Round(Training):
    """One round of the denoiser's training; captions that name a kind in ``emphasis`` come that many times as often."""

    emphasis: dict[str, float]


class BaseParams(Params):
    """``base_training`` in params.yaml."""

    seed: Seed
    threads: Threads
    image_size: ImageSize
    images: PositiveInt
    vocabulary: PositiveInt
    max_tokens: PositiveInt
    caption_dropout: Fraction
    autoencoder: dict[str, object]
    text_encoder: dict[str, int]
    unet: dict[str, object]
    scheduler: dict[str, object]
    autoencoder_training: Training
    denoiser_rounds: list[Round]

"""How the shipped base model is trained."""

from pathlib import Path
from typing import ClassVar

from pydantic import PositiveInt

from pipeline_steps.parameters.bounds import Fraction, ImageSize, Seed, Threads
from pipeline_steps.parameters.optimised import Training
from pipeline_steps.stage.params import SHIPPED_FILE, Params


class Round(Training):
    """One round of the denoiser's training; captions that name a kind in ``emphasis`` come that many times as often."""

    emphasis: dict[str, float]


class BaseParams(Params):
    """``base_training`` in config/shipped.yaml."""

    read_from: ClassVar[Path] = SHIPPED_FILE

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

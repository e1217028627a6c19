"""Text-to-image and image-to-image: images are denoised from noise, or from their sources with noise added."""

from typing import Literal, Self

from pydantic import model_validator

from pipeline_steps.generation.modes.mode import Mode
from pipeline_steps.parameters.learned import LearnedParams
from pipeline_steps.parameters.sampler import Strength, check_steps


class TextToImageParams(LearnedParams):
    """An entry of ``augmenters`` whose images begin as noise; ``strength`` is not used."""

    mode: Literal["txt2img"]
    strength: Strength


class ImageToImageParams(LearnedParams):
    """An entry of ``augmenters`` whose images begin as their sources, with noise added as ``Sampling`` says."""

    mode: Literal["img2img"]
    strength: Strength

    @model_validator(mode="after")
    def _runs_a_step(self) -> Self:
        check_steps(self.num_inference_steps, self.strength)
        return self


TXT2IMG = Mode(
    name="txt2img",
    params=TextToImageParams,
    make="pipeline_steps.diffusion.augment:text_to_image",
    starts_from_source=False,
    uses_device=True,
)
IMG2IMG = Mode(
    name="img2img",
    params=ImageToImageParams,
    make="pipeline_steps.diffusion.augment:image_to_image",
    starts_from_source=True,
    uses_device=True,
)

"""How images are denoised."""

import math
from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, model_validator

from pipeline_steps.parameters.bounds import Fraction
from pipeline_steps.stage.params import Params

# The share of the steps that is run on a source, as diffusers' pipelines round it.
Strength = Annotated[float, Field(gt=0, le=1)]


class Sampler(Params):
    """How to denoise.

    ``guidance_interval`` is the part of the denoising (0 start, 1 end) in which guidance acts
    (Kynkäänniemi et al. 2024).
    """

    scheduler: str
    scheduler_options: dict[str, Any]
    num_inference_steps: PositiveInt
    guidance_scale: float = Field(ge=0)
    guidance_interval: tuple[Fraction, Fraction]

    @model_validator(mode="after")
    def _from_start_to_end(self) -> Self:
        if self.guidance_interval[0] > self.guidance_interval[1]:
            raise ValueError(f"guidance_interval runs from its start to its end, not {self.guidance_interval}")
        return self


def check_steps(num_inference_steps: int, strength: float) -> None:
    """Whether so large a share of the steps is one step at least.

    Raises:
        ValueError: it is none.
    """
    if math.floor(num_inference_steps * strength) < 1:
        raise ValueError(f"strength {strength} of {num_inference_steps} steps runs none; raise either")

"""Which generated images are rejected."""

from typing import Literal, Self, get_args

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from pipeline_steps.parameters.bounds import Fraction
from pipeline_steps.stage.params import Params

Reason = Literal["memorised", "skin_tone", "blank", "mask"]
REASONS: tuple[Reason, ...] = get_args(Reason)


class ScreenParams(Params):
    """``screen`` in params.yaml."""

    reject: tuple[Reason, ...]
    memorisation_quantile: float = Field(gt=0, lt=1)
    neighbours: PositiveInt
    tone_tolerance: NonNegativeInt
    tone_largest_error: Fraction
    blank_contrast: NonNegativeFloat
    mask_area: tuple[Fraction, Fraction]
    mask_largest_part: Fraction

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> Self:
        if self.mask_area[0] > self.mask_area[1]:
            raise ValueError(f"mask_area runs from the smaller share to the larger, not {self.mask_area}")
        return self

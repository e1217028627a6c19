"""How the study is split."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from pipeline_steps.parameters.bounds import Seed
from pipeline_steps.stage.params import Params

# A scenario of Wang et al. 2024, or one with a dose: so many training images of each condition.
Scenario = Annotated[str, Field(pattern=r"^(i|ii|iii)(_n[1-9]\d*)?$")]


class SplitParams(Params):
    """``split`` in params.yaml."""

    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1)]
    draws: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    flexible_per_condition: NonNegativeInt
    sampler: Literal["per_condition", "per_type"]
    validation_fraction: float = Field(ge=0, lt=1)
    leakage: Literal["exclude", "report", "stop"]
    seed: Seed

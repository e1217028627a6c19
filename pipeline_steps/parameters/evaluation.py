"""How measurements are compared: what both `evaluate` and `report` must do alike."""

from pydantic import Field

from pipeline_steps.parameters.bounds import Seed
from pipeline_steps.stage.params import Params


class EvaluationParams(Params):
    """``evaluation`` in params.yaml."""

    bootstrap_draws: int = Field(ge=100)  # of fewer, 2.5 % are less than three
    seed: Seed
    minimum_level_images: int = Field(ge=2)

"""How distances between sets of images are measured."""

from pydantic import Field, PositiveInt, field_validator

from pipeline_steps.parameters.bounds import Seed
from pipeline_steps.stage.params import Params

FEWEST_DRAWS = 100  # of fewer, 2.5 % are less than three


class FidParams(Params):
    """``fid`` in params.yaml."""

    interval_draws: int = Field(ge=FEWEST_DRAWS)
    part_interval_draws: int
    interval_groups: int = Field(ge=4)
    accuracy_draws: int = Field(ge=FEWEST_DRAWS)
    minimum_images: int = Field(ge=2)
    manifold_neighbours: PositiveInt
    neighbours: PositiveInt
    seed: Seed

    @field_validator("part_interval_draws")
    @classmethod
    def _none_or_enough(cls, draws: int) -> int:
        if draws and draws < FEWEST_DRAWS:
            raise ValueError(f"{draws} draws give no 2.5 % quantile: 0 (no intervals) or at least {FEWEST_DRAWS}")
        return draws

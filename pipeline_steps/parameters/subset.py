"""Which images the study is about."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.records.populations import Types
from pipeline_steps.records.skin_types import levels_name
from pipeline_steps.stage.params import Params


class SubsetParams(Params):
    """``subset`` in params.yaml."""

    conditions: Annotated[tuple[NonEmpty, ...], Field(min_length=1)]
    majority: Types
    minority: Types
    policy: Literal["clean", "paper_exact"]

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := {*self.majority} & {*self.minority}:
            raise ValueError(f"{levels_name(both)} can't be in majority and minority; leave it in one")
        return self

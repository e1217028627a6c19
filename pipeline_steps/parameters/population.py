"""Whom the study divides: levels of majority and minority, and how they are checked."""

from typing import Literal, Self

from pydantic import model_validator

from pipeline_steps.parameters.part import Part
from pipeline_steps.records.populations import Types
from pipeline_steps.records.skin_types import levels_name
from pipeline_steps.stage.params import Params

How = Literal["ita"] | None


class Groups(Params):
    """The two parts that a study divides people into."""

    majority: Types
    minority: Types

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := {*self.majority} & {*self.minority}:
            raise ValueError(f"{levels_name(both)} can't be in majority and minority; leave it in one")
        return self


class Group(Part):
    """``population.majority`` or ``population.minority`` in params.yaml."""

    value: Types


class Check(Part):
    """``population.check`` in params.yaml."""

    value: How

"""Whom the study divides: its column, the levels of majority and minority, and how they are checked."""

from typing import Literal, Self

from pydantic import model_validator

from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.parameters.levels import Levels
from pipeline_steps.parameters.part import Part
from pipeline_steps.records.populations import SKIN_TYPE, levels_name
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.stage.params import Params

How = Literal["ita"] | None


class Groups(Params):
    """The two parts that a study divides people into, by a column of the manifest or one of its attributes."""

    column: NonEmpty
    majority: Levels
    minority: Levels

    @model_validator(mode="after")
    def _apart(self) -> Self:
        named = {*self.majority, *self.minority}
        if self.column == SKIN_TYPE and (strange := sorted(named - {*map(str, FITZPATRICK_TYPES)})):
            raise ValueError(f"{SKIN_TYPE} has the levels 1 to 6, and no {', '.join(strange)}")
        if both := {*self.majority} & {*self.minority}:
            raise ValueError(f"{levels_name(self.column, both)} can't be in majority and minority; leave it in one")
        return self


class Column(Part):
    """``population.column`` in params.yaml."""

    value: NonEmpty


class Group(Part):
    """``population.majority``, ``population.minority`` or ``population.levels`` in params.yaml."""

    value: Levels


class Check(Part):
    """``population.check`` in params.yaml."""

    value: How

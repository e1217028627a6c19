"""A part of a section that is one value, so that a stage which reads it depends on nothing beside it."""

from typing import Any

from pydantic import model_validator

from pipeline_steps.stage.params import Params


class Part(Params):
    """Its field ``value`` is the whole of what stands there."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"value": value}

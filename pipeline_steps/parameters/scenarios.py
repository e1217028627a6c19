"""Which images a study trains and tests on."""

from typing import Any, Literal

from pydantic import PositiveInt, model_validator

from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.records.scenarios import scenario_name
from pipeline_steps.stage.params import Params


class NamedScenario(Params):
    """A scenario by its name, and how many training images of each condition it keeps (null: all).

    A scenario that keeps all may be written as its name alone: ``iii``.
    """

    scenario: NonEmpty
    images_per_condition: PositiveInt | None

    @model_validator(mode="before")
    @classmethod
    def _of_its_name(cls, value: Any) -> Any:
        return {"scenario": value, "images_per_condition": None} if isinstance(value, str) else value

    @property
    def name(self) -> str:
        """What its splits and cells are called."""
        return scenario_name(self.scenario, self.images_per_condition)


class Scenario(NamedScenario):
    """A scenario of Wang et al. 2024."""

    scenario: Literal["i", "ii", "iii"]

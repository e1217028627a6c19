"""The section ``population`` as a whole; stages read parts of it."""

from typing import Self

from pydantic import field_validator, model_validator

from pipeline_steps.parameters.population import Groups, How
from pipeline_steps.parameters.words import Phrases
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES

COLUMN = "fitzpatrick_scale"  # of the manifest


class PopulationParams(Groups):
    """``population`` in params.yaml.

    ``check``: how ``screen`` looks whether a generated image shows the level that it was made for (``ita``, or not at
    all). ``words``: what captions call the levels, in sets that ``captioners`` name.
    """

    column: str
    levels: tuple[int, ...]
    check: How
    words: dict[str, Phrases]

    @field_validator("column")
    @classmethod
    def _one_so_far(cls, column: str) -> str:
        if column != COLUMN:
            raise ValueError(f"people are divided by {COLUMN} alone so far; no other column is supported yet")
        return column

    @field_validator("levels")
    @classmethod
    def _all_types(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if levels != FITZPATRICK_TYPES:
            raise ValueError(f"{COLUMN} has the levels {list(FITZPATRICK_TYPES)}, in this order")
        return levels

    @model_validator(mode="after")
    def _all_named(self) -> Self:
        for name, phrases in self.words.items():
            if lacking := [str(level) for level in self.levels if level not in phrases]:
                raise ValueError(f"words.{name} has none for level {', '.join(lacking)}")
        return self

"""The section ``population`` as a whole; stages read parts of it."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline_steps.parameters.levels import Levels
from pipeline_steps.parameters.population import Groups, How
from pipeline_steps.parameters.words import Phrases
from pipeline_steps.records.populations import SKIN_TYPE, noun
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES, GROUPS

_TYPES = tuple(map(str, FITZPATRICK_TYPES))


class PopulationParams(Groups):
    """``population`` in params.yaml.

    ``levels`` that the column may have, in their order, as the data write them whatever the case; ``check``: how
    ``screen`` looks whether a generated image shows the level that it was made for (``ita``, for skin types, or not at
    all). ``words``: what captions call the levels, in sets that ``captioners`` name.
    """

    levels: Annotated[Levels, Field(min_length=2)]
    check: How
    words: dict[str, Phrases]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len({*self.levels}) < len(self.levels):
            raise ValueError("levels names one twice")
        if self.column == SKIN_TYPE and self.levels != _TYPES:
            raise ValueError(f"{SKIN_TYPE} has the levels {', '.join(_TYPES)}, in this order")
        if strange := {*self.majority, *self.minority} - {*self.levels}:
            raise ValueError(f"levels lacks {', '.join(sorted(strange))} of majority or minority; add it there")
        if self.check == "ita" and self.column != SKIN_TYPE:
            raise ValueError(f"check is ita, which tells skin types; {noun(self.column)} has no check: set it to null")
        return self

    @model_validator(mode="after")
    def _all_named(self) -> Self:
        known = {*self.levels, *(GROUPS if self.column == SKIN_TYPE else ())}
        for name, words in self.words.items():
            if lacking := [level for level in self.levels if level not in words]:
                raise ValueError(f"words.{name} has none for level {', '.join(lacking)}")
            if strange := [level for level in words if level not in known]:
                raise ValueError(f"words.{name} names {', '.join(strange)}, which is no level of {self.column}")
        return self

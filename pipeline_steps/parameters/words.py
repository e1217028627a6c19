"""What captions call levels of skin."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from pipeline_steps.parameters.bounds import number
from pipeline_steps.parameters.part import Part

# A type or a group (``records.skin_types``). As a key it is text, for DVC does not follow maps whose keys are numbers.
Level = Annotated[Literal[1, 2, 3, 4, 5, 6, 12, 34, 56], BeforeValidator(number)]
Phrases = dict[Level, str]


class Words(Part):
    """``population.words`` in params.yaml: sets of phrases that captioners name."""

    value: dict[str, Phrases]

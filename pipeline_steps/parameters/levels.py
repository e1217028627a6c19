"""Levels of a population, as parameters name them."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pipeline_steps.records.populations import level_text
from pipeline_steps.records.unknown import is_unknown


def _level(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):  # a line is made of a ValueError alone
        raise ValueError(  # noqa: TRY004
            "it should be a word or a number; YAML's yes, no, true and false need quotes"
        )
    if is_unknown(str(value)):
        raise ValueError("it says unknown, which is no level")
    return level_text(value)


# Text, also where it is written as a number (``records.populations``).
Level = Annotated[str, BeforeValidator(_level)]
Levels = Annotated[tuple[Level, ...], Field(min_length=1)]

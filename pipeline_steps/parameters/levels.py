"""Levels of a population, as parameters name them."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pipeline_steps.records.populations import level_text
from pipeline_steps.records.unknown import is_unknown


def _level(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):  # a line is made of a ValueError alone
        raise ValueError(  # noqa: TRY004
            f"a level is a word or a number, not {value!r}; in YAML yes, no, true and false need quotes"
        )
    if is_unknown(str(value)):
        raise ValueError(f"{value!r} is a word for unknown, and no level")
    return level_text(value)


# Text, also where it is written as a number (``records.populations``).
Level = Annotated[str, BeforeValidator(_level)]
Levels = Annotated[tuple[Level, ...], Field(min_length=1)]

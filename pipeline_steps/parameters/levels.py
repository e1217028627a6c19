"""Levels of a population, as parameters name them."""

from collections import Counter
from typing import Annotated, Any, TypeVar

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


def _each_once(value: Any) -> Any:
    """Keys that are one level would replace each other."""
    if isinstance(value, dict):
        times = Counter(level_text(key) for key in value)
        if twice := [level for level, n in times.items() if n > 1]:
            keys = ", ".join(repr(key) for key in value if level_text(key) in twice)
            raise ValueError(f"{keys} are one level, whatever the case: keep one of them")
    return value


T = TypeVar("T")
# Text, also where it is written as a number (``records.populations``).
Level = Annotated[str, BeforeValidator(_level)]
Levels = Annotated[tuple[Level, ...], Field(min_length=1)]
ByLevel = Annotated[dict[Level, T], BeforeValidator(_each_once)]

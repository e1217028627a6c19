"""Lay one set of parameters over another, and say what differs between two.

An overlay holds only what differs: models merge deeply; lists, values and maps of free keys replace, and so does a map
with ``__replace__``. ``${NAME:-fallback}`` in its text is taken from the environment.
"""

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from pipeline_steps.stage.params import ParamsError

REPLACE = "__replace__"
ANYTHING = "\u2026any\u2026"  # stands for a variable's value where that does not matter
# Maps whose keys are a person's own: half of one and half of another would mean neither. And what lies within one.
OPEN = frozenset({"phrases", "scheduler_options", "condition_templates", "extra_body", "ita", "level_words", "bands"})
OPEN_WITHIN = frozenset({"words"})
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
Variable = Callable[[re.Match[str]], str | None]


def from_environment(match: re.Match[str]) -> str | None:
    """What ``${NAME:-fallback}`` stands for now; None where it stands for nothing."""
    return os.environ.get(match[1], match[2])


def resolved(value: Any, variable: Variable = from_environment, where: str = "") -> Any:
    """``value`` with what ``variable`` gives for each ``${NAME:-fallback}``, and all keys as text, as DVC wants them.

    Raises:
        ParamsError: a variable stands for nothing.
    """
    if isinstance(value, dict):
        return {str(k): resolved(v, variable, f"{where}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [resolved(v, variable, where) for v in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        text = variable(match)
        if text is None:
            raise ParamsError(f"{where} needs the environment variable {match[1]}")
        return text

    return _VARIABLE.sub(found, value)


def merged(base: dict[str, Any], overlay: dict[str, Any], place: str = "", *, marked: bool = False) -> dict[str, Any]:
    """``base`` with the values of ``overlay``; ``marked``: an overlay of both, in which ``__replace__`` still stands.

    Raises:
        ParamsError: the overlay says a value where the base has a map, or the other way round.
    """
    made = dict(base)
    for key, value in overlay.items():
        where, known = f"{place}.{key}".lstrip("."), made.get(key)
        if isinstance(value, dict) and REPLACE in value:
            made[key] = value if marked else {k: v for k, v in value.items() if k != REPLACE}
        elif _is_open(key, place):
            made[key] = value
        elif isinstance(value, dict) and isinstance(known, dict):
            made[key] = merged(known, value, where, marked=marked)
        elif known is not None and value is not None and isinstance(value, dict) != isinstance(known, dict):
            raise ParamsError(f"{where} of the overlay and of what it lies over are not of one kind")
        else:
            made[key] = value
    return made


def _is_open(key: str, place: str) -> bool:
    return key in OPEN or place.rpartition(".")[2] in OPEN_WITHIN


def difference(base: Any, found: Any, place: str = "") -> Any:
    """The overlay that makes ``found`` of ``base``."""
    if any(_is_no_overlay(base, found, key, place) for key in base.keys() | found.keys()):
        return {REPLACE: True, **found}
    made = {}
    for key, value in found.items():
        old, where = base.get(key), f"{place}.{key}".lstrip(".")
        if isinstance(old, dict) and isinstance(value, dict) and not _is_open(key, place):
            if inner := difference(old, value, where):
                made[key] = inner
        elif key not in base or old != value or isinstance(old, bool) != isinstance(value, bool):
            made[key] = value
    return made


def _is_no_overlay(base: Any, found: Any, key: Any, place: str) -> bool:
    """Whether what became of a key can't be said by merging: it is gone, or a map where a value was, or a value now."""
    if key not in found:
        return True
    old, new = base.get(key), found[key]
    one_kind = old is None or new is None or isinstance(old, dict) == isinstance(new, dict)
    return not one_kind and not _is_open(key, place)


def changes(made: Any, found: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Place, value in ``made`` and value in ``found`` wherever the two differ; ``ANYTHING`` equals all texts."""
    for key in [*made, *(k for k in found if k not in made)]:
        where = f"{place}.{key}".lstrip(".")
        old, new = made.get(key, MISSING), found.get(key, MISSING)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from changes(old, new, where)
        elif not _alike(old, new):
            yield where, old, new


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def _alike(old: Any, new: Any) -> bool:
    if isinstance(old, str) and isinstance(new, str) and ANYTHING in old:
        return bool(re.fullmatch(".*".join(map(re.escape, old.split(ANYTHING))), new))
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_alike, old, new))
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)

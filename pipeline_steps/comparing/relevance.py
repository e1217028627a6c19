"""Which of many changed parameters to name: one of each part of a study, and of a part the one that tells most."""

from collections.abc import Mapping
from math import inf, log
from typing import Any

from pipeline_steps.comparing.changes import ABSENT

# Sections of params.yaml: data, method and classifier before what only measures them.
_FIRST = (
    "ingest",
    "population",
    "augmenters",
    "adapters",
    "classifier",
    "inversions",
    "base_models",
    "subset",
    "split",
)
_HABITS = ("every", "threads", "batch_size", "seed")  # last words of parameters that decide little


def most_telling(changed: Mapping[str, tuple[Any, Any]], most: int) -> list[str]:
    """The keys of at most so many changes, those that tell most first.

    A part's turn comes again when all others have had theirs. Within a part a choice comes before a number, a number
    that changed by a large factor before one that hardly did, and what one side alone has at the end.
    """
    parts: dict[str, list[str]] = {}
    for key in sorted(changed, key=lambda key: (-_weight(key, *changed[key]), key)):
        parts.setdefault(key.split(".")[0], []).append(key)
    turns = [(turn, _order(part), key) for part, keys in parts.items() for turn, key in enumerate(keys)]
    return [key for *_, key in sorted(turns)[:most]]


def _order(part: str) -> int:
    return _FIRST.index(part) if part in _FIRST else len(_FIRST)


def _weight(key: str, a: Any, b: Any) -> float:
    """How much a change tells beside others of its part."""
    if ABSENT in (a, b):
        return -2
    if key.endswith(_HABITS):
        return -1
    if any(isinstance(side, bool) or not isinstance(side, int | float) for side in (a, b)):
        return inf
    return abs(log(b / a)) if a * b > 0 else inf

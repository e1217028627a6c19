"""Whom a study divides people into: levels of one column of the manifest, as text, and what people call them.

The column is ``fitzpatrick_scale`` (``records/skin_types.py``), or any other that a data set has for its images, such
as sex, site or camera. A subset and a split have the columns ``level`` and ``population`` (majority or minority).
"""

from collections.abc import Iterable, Sequence

from pipeline_steps.records.skin_types import GROUPS, levels_within, roman
from pipeline_steps.records.unknown import plain

SKIN_TYPE = "fitzpatrick_scale"  # of the manifest
MAJORITY = "majority"
MINORITY = "minority"  # as ``target_levels``, too: the levels of ``population.minority``


def level_text(value: object) -> str:
    """A level as parameters and tables write it, as text: 5 and 5.0 are ``5``, Female is ``female``."""
    text = plain(str(value))
    return text.removesuffix(".0") if text.removesuffix(".0").isdigit() else text


def noun(column: str) -> str:
    """What a level is, in words."""
    return "skin type" if column == SKIN_TYPE else column.replace("_", " ")


def level_name(column: str, level: str) -> str:
    """A level as people write it: ``V`` or ``V-VI`` of skin types, ``female``."""
    return roman(level) if column == SKIN_TYPE else level


def levels_name(column: str, levels: Iterable[str]) -> str:
    """Several levels as people write them: ``skin type V``, ``skin types I, II``, ``sex female``."""
    names = [level_name(column, level) for level in sorted(levels)]
    several = column == SKIN_TYPE and (len(names) > 1 or any("-" in name for name in names))
    return f"{noun(column)}{'s' if several else ''} {', '.join(names)}"


def names(column: str, levels: Iterable[str]) -> dict[str, str]:
    """What people call each of ``levels``, in their order; of skin types the groups, too."""
    return {one: level_name(column, one) for one in (*levels, *(GROUPS if column == SKIN_TYPE else ()))}


def within(column: str, levels: Sequence[str]) -> tuple[str, ...]:
    """The levels that images of ``levels`` may have: these; of skin types also the groups of which both are there."""
    return levels_within(levels) if column == SKIN_TYPE else tuple(levels)


def targets(named: str | Sequence[str], minority: Sequence[str]) -> tuple[str, ...]:
    """The levels that ``target_levels`` means: the named ones in their order, or the minority's."""
    return tuple(sorted(set(minority))) if isinstance(named, str) else tuple(named)

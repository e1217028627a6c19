"""Whom a study divides people into: levels of one column of the manifest, as text, and what people call them.

The column is a skin scale (``fitzpatrick_scale``, ``monk10``, ``milk6``, ``ita``, ``ita_type``), or any other that a
data set has for its images, such as sex, age or site. A subset and a split have the columns ``level`` and
``population`` (majority or minority). A type that was estimated from ITA is a level of its own, such as ``ita5``.
"""

import re
from collections.abc import Iterable, Sequence

from pipeline_steps.records.skin_scales import ITA, ITA_TYPE, MILK6, MONK10
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES, GROUPS, levels_within, roman
from pipeline_steps.records.unknown import plain

SKIN_TYPE = "fitzpatrick_scale"  # of the manifest
MAJORITY = "majority"
MINORITY = "minority"  # as ``target_levels``, too: the levels of ``population.minority``
# The levels of scales of which a study has all or some, in their order.
LEVELS_OF = {
    SKIN_TYPE: tuple(map(str, FITZPATRICK_TYPES)),
    ITA_TYPE: tuple(f"ita{t}" for t in FITZPATRICK_TYPES),
    MONK10: tuple(map(str, range(1, 11))),
    MILK6: tuple(map(str, range(6))),
}
_NOUNS = {SKIN_TYPE: "skin type", ITA_TYPE: "skin type", MONK10: "Monk tone", MILK6: "MILK10k tone", ITA: "ITA"}
_ESTIMATED = "(estimated from ITA)"
_PARTS = re.compile(r"(\d+)")  # where a level is split: every other part is a number
_FROM_ITA = re.compile(r"ita([1-6])")


def level_text(value: object) -> str:
    """A level as parameters and tables write it, as text: 5 and 5.0 are ``5``, Female is ``female``."""
    text = plain(str(value))
    return text.removesuffix(".0") if text.removesuffix(".0").isdigit() else text


def in_order(levels: Iterable[object]) -> list[str]:
    """Distinct levels, as text, by the numbers in them: Monk's ``10`` comes after ``9``."""

    def parts(level: str) -> list[int | str]:
        return [int(part) if i % 2 else part for i, part in enumerate(_PARTS.split(level))]

    return sorted({level_text(level) for level in levels}, key=parts)


def noun(column: str) -> str:
    """What a level is, in words."""
    said = _NOUNS.get(column, column.replace("_", " "))
    return f"{said} {_ESTIMATED}" if column == ITA_TYPE else said


def level_name(column: str, level: str) -> str:
    """A level as people write it: ``V`` or ``V-VI`` of skin types, ``V (estimated from ITA)``, ``female``."""
    return f"{_short(column, level)} {_ESTIMATED}" if column == ITA_TYPE else _short(column, level)


def marked(level: str) -> str:
    """A level as it stands, but for one that was estimated: where no column is known."""
    return level_name(ITA_TYPE, level) if _FROM_ITA.fullmatch(level) else level


def levels_name(column: str, levels: Iterable[str]) -> str:
    """Several levels as people write them: ``skin type V``, ``skin types I, II``, ``sex female``."""
    names = [_short(column, level) for level in in_order(levels)]
    several = column in {SKIN_TYPE, ITA_TYPE} and (len(names) > 1 or any("-" in name for name in names))
    said = f"{_NOUNS.get(column, noun(column))}{'s' if several else ''} {', '.join(names)}"
    return f"{said} {_ESTIMATED}" if column == ITA_TYPE else said


def names(column: str, levels: Iterable[str]) -> dict[str, str]:
    """What people call each of ``levels``, in their order; of skin types the groups, too."""
    return {one: level_name(column, one) for one in (*levels, *(GROUPS if column == SKIN_TYPE else ()))}


def within(column: str, levels: Sequence[str]) -> tuple[str, ...]:
    """The levels that images of ``levels`` may have: these; of skin types also the groups of which both are there."""
    return levels_within(levels) if column == SKIN_TYPE else tuple(levels)


def targets(named: str | Sequence[str], minority: Sequence[str]) -> tuple[str, ...]:
    """The levels that ``target_levels`` means: the named ones in their order, or the minority's."""
    return tuple(in_order(minority)) if isinstance(named, str) else tuple(named)


def _short(column: str, level: str) -> str:
    if column == SKIN_TYPE and level in {*LEVELS_OF[SKIN_TYPE], *GROUPS}:
        return roman(level)
    found = _FROM_ITA.fullmatch(level) if column == ITA_TYPE else None
    return roman(found[1]) if found else level

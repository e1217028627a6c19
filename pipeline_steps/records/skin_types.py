"""Fitzpatrick skin types: parsing what data sets write, groups, and the ITA bands used as their proxy.

As *levels* of a population (``records/populations.py``) they are text: a type, ``1`` to ``6``, or a group of two types
by its digits: ``12``, ``34`` or ``56`` (as DDI labels them). Where some images of a study have a group alone, all its
images have the level of their group (``select_subset``): a type says its group, never the other way round.
"""

import math
import re
from collections.abc import Iterable

from pipeline_steps.records.unknown import is_unknown, plain

FITZPATRICK_TYPES = (1, 2, 3, 4, 5, 6)
ROMAN = {1: "I", 2: "II", 3: "III", 4: "IV", 5: "V", 6: "VI"}

# Lower ITA bound (degrees) of each type's band. The bands are those of Chardon et al. 1991 with the
# "dark" class of Del Bino and Bernerd 2013 (very light > 55 > light > 41 > intermediate > 28 > tan
# > 10 > brown > -30 > dark); equating them with Fitzpatrick I to VI is common practice, and a proxy:
# Fitzpatrick's scale describes reaction to sun, not colour.
ITA_LOWER_BOUND = {1: 55.0, 2: 41.0, 3: 28.0, 4: 10.0, 5: -30.0, 6: -90.0}

_NO_TYPE = {"0", "0.0"}  # of this scale: in others 0 is a class
_VALUES = {written: t for t in FITZPATRICK_TYPES for written in (str(t), ROMAN[t].lower())}
_PREFIX = re.compile(r"^(?:fst|(?:fitzpatrick)?[\s_-]*(?:skin)?[\s_-]*(?:photo)?type|fitzpatrick(?: scale)?)[\s_:-]*")
_OTHER_SCALE = re.compile(r"^(?:mst|monk)")
# A type or two of them, and, after a numeral, words for the colour of skin, as MRA-MIDAS writes them.
_COLOURS = r"(?:\s+(?:pale|fair|white|darker|dark|light|medium|olive|brown|black|skin|or|to|very|deeply|pigmented))*"
_NUMBERS = re.compile(rf"(iii|ii|iv|vi|i|v|[1-6])(?:\.0)?(?:\s*[-/\u2013]\s*(iii|ii|iv|vi|i|v|[1-6]))?{_COLOURS}[.,]?")
GROUPS = {"12": (1, 2), "34": (3, 4), "56": (5, 6)}
# The type whose words in captions a group takes where it has none of its own.
WORDS_OF_GROUP = {"12": "2", "34": "4", "56": "5"}


def types_of(level: str) -> tuple[int, ...]:
    """The types that a level may be."""
    return GROUPS[level] if level in GROUPS else (int(level),)


def roman(level: str) -> str:
    """A level as people write it: ``V``, or ``V-VI`` of a group."""
    return "-".join(ROMAN[t] for t in types_of(level))


def group_of(level: str) -> str:
    """The level of a level's group."""
    return next(group for group, members in GROUPS.items() if {*types_of(level)} <= {*members})


def levels_within(levels: Iterable[str]) -> tuple[str, ...]:
    """Levels that lie within ``levels``: these, and the groups of which they have both types."""
    chosen = sorted(set(levels))
    types = {t for level in chosen for t in types_of(level)}
    return (*chosen, *(g for g, members in GROUPS.items() if g not in chosen and types >= set(members)))


def as_groups(levels: Iterable[str]) -> tuple[str, ...] | None:
    """The groups that ``levels`` are made of; None where they are not whole groups."""
    types = {t for level in levels for t in types_of(level)}
    groups = tuple(group for group, members in GROUPS.items() if types >= set(members))
    return groups if {t for group in groups for t in GROUPS[group]} == types else None


def type_from_ita(ita: float) -> int:
    """The skin type whose ITA band holds ``ita`` (degrees)."""
    return next((t for t in FITZPATRICK_TYPES if ita > ITA_LOWER_BOUND[t]), 6)


def parse_skin_type(raw: object) -> tuple[int | None, str | None]:
    """Read one cell of a data set's skin-type column.

    Returns ``(type, group)``: a type 1-6 with its group (``"12"``, ``"34"``, ``"56"``), or
    ``(None, group)`` where only the group is known (``12``, ``I-II``, ``1/2``), or ``(None, None)`` for unknown
    (``is_unknown``, and 0). A type may be written 3, 3.0, III, FST3, ``type III`` or ``iii darker white skin``.

    Raises:
        ValueError: the cell is neither a skin type nor a known way to say "unknown".
    """
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return None, None
    text = plain(str(raw))
    if is_unknown(text) or text in _NO_TYPE:
        return None, None
    if _OTHER_SCALE.match(text):
        raise ValueError(f"skin type {raw!r} is of Monk's scale, from which no Fitzpatrick type can be told")
    text = _PREFIX.sub("", text)
    if found := _NUMBERS.fullmatch(text):
        low, high = (_VALUES.get(part or "", 0) for part in found.groups())
        if low and not high:
            return _with_group(low)
        if (low, high) in GROUPS.values():
            return None, f"{low}{high}"
    if text.removesuffix(".0") in GROUPS:
        return None, text.removesuffix(".0")
    raise ValueError(f"skin type {raw!r} is not 1-6, I-VI, a group (12, 34, 56) or a blank")


def _with_group(skin_type: int) -> tuple[int, str]:
    return skin_type, next(group for group, members in GROUPS.items() if skin_type in members)

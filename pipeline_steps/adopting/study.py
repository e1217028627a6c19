"""Whom a study of one's own photographs can divide, and which conditions it can hold: as many as numbers allow."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from pipeline_steps.records.populations import SKIN_TYPE, levels_name
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES, types_of
from pipeline_steps.stage.errors import DataError

LEAST = 4  # images of a condition at either end: half of them are the flexible subset, half train or are tested on
_FLEXIBLE = 8  # of config/base.yaml
# Light and dark ends, the narrowest first: the further apart, the plainer what a study shows.
_ENDS = (((1, 2), (5, 6)), ((1, 2), (4, 5, 6)), ((1, 2), (3, 4, 5, 6)), ((1, 2, 3), (4, 5, 6)))


class Study(NamedTuple):
    """Column, levels and the two ends of the population; conditions and what was left out, with the reason.

    ``flexible``: images of each condition and end for ``split.flexible_per_condition``. ``reason``: why these ends.
    """

    column: str
    levels: tuple[str, ...]
    majority: tuple[str, ...]
    minority: tuple[str, ...]
    conditions: tuple[str, ...]
    left_out: dict[str, str]
    flexible: int
    reason: str


def counts(conditions: "pd.Series[str]", levels: "pd.Series[str]") -> pd.DataFrame:
    """Images by condition and level; blank where one is not known."""
    return pd.crosstab(conditions, levels)


def choose(n: pd.DataFrame, column: str, ends: tuple[Sequence[str], Sequence[str]], conditions: Sequence[str]) -> Study:
    """The study that images ``n`` (condition x level) allow; ``ends`` and ``conditions``: what people said, or nothing.

    Raises:
        DataError: no two conditions have enough images at both ends.
    """
    known = n.drop(index="", errors="ignore").drop(columns="", errors="ignore")
    if absent := [c for c in conditions if c not in known.index]:
        raise DataError(f"--conditions: no image is of {', '.join(absent)}; there are {', '.join(known.index)}")
    if column == SKIN_TYPE and (strange := sorted({*ends[0], *ends[1]} - {*map(str, FITZPATRICK_TYPES)})):
        raise DataError(f"--majority and --minority name skin types 1 to 6, and not {', '.join(strange)}")
    tried = [(tuple(ends[0]), tuple(ends[1]))] if all(ends) else _candidates(known, column)
    tried = [(tuple(ends[0]) or a, tuple(ends[1]) or tuple(x for x in b if x not in ends[0])) for a, b in tried]
    fits = [(both, enough) for both in tried if len(enough := _enough(known, column, both)) >= 2]
    if not fits:
        raise DataError(_too_few(known, column, tried))
    (majority, minority), enough = fits[0]
    chosen = list(conditions) or enough
    if short := [c for c in chosen if c not in enough]:
        raise DataError(f"--conditions: {_short(known, column, (majority, minority), short[0])}")
    least = min(min(_at(known, column, end)[c] for end in (majority, minority)) for c in chosen)
    left = {c: _short(known, column, (majority, minority), c) for c in known.index if c not in enough}
    left |= {c: "not among --conditions" for c in enough if c not in chosen}
    reason = "as you said" if all(ends) else "the ends furthest apart that give two conditions enough images"
    levels = tuple(map(str, FITZPATRICK_TYPES)) if column == SKIN_TYPE else tuple(sorted(known.columns))
    return Study(column, levels, majority, minority, tuple(chosen), left, min(_FLEXIBLE, least // 2), reason)


def _candidates(n: pd.DataFrame, column: str) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Majority and minority, in the order in which they are tried: whoever has more images is the majority."""
    if column != SKIN_TYPE:
        most = n.sum().sort_values(ascending=False, kind="stable").index
        return [((str(most[0]),), tuple(sorted(map(str, most[1:]))))] if len(most) > 1 else []
    light, dark = (int(_within(n, column, end).sum()) for end in (("1", "2", "3"), ("4", "5", "6")))
    pairs = [tuple(tuple(map(str, end)) for end in both) for both in _ENDS]
    mirrored = [tuple(tuple(str(7 - int(t)) for t in reversed(end)) for end in both) for both in pairs]
    return pairs if light >= dark else mirrored  # type: ignore[return-value]


def _within(n: pd.DataFrame, column: str, end: Sequence[str]) -> "pd.Series[int]":
    """Images by condition whose level lies within ``end``; of a group of types, if both do."""
    inside = [level for level in n.columns if _members(column, str(level)) <= {*end}]
    return n[inside].sum(axis=1)


def _members(column: str, level: str) -> set[str]:
    return set(map(str, types_of(level))) if column == SKIN_TYPE else {level}


def _at(n: pd.DataFrame, column: str, end: Sequence[str]) -> dict[str, int]:
    return {str(c): int(k) for c, k in _within(n, column, end).items()}


def _enough(n: pd.DataFrame, column: str, both: tuple[Sequence[str], Sequence[str]]) -> list[str]:
    sides = [_at(n, column, end) for end in both]
    return [str(c) for c in n.index if all(side[str(c)] >= LEAST for side in sides)]


def _short(n: pd.DataFrame, column: str, both: tuple[Sequence[str], Sequence[str]], condition: str) -> str:
    few = [f"{_at(n, column, end)[condition]} of {levels_name(column, end)}" for end in both]
    return f"{condition} has {' and '.join(few)}; {LEAST} of each are needed"


def _too_few(n: pd.DataFrame, column: str, tried: Sequence[tuple[Sequence[str], Sequence[str]]]) -> str:
    if not tried:
        return f"all images are of one {column}: there is nobody to compare; name another column by --divide"
    both = tried[-1]
    best = sorted(map(str, n.index), key=lambda c: -min(_at(n, column, end)[c] for end in both))[:3]
    nearest = "; ".join(_short(n, column, both, c).split(";")[0] for c in best)
    return (
        f"no two conditions have {LEAST} images of {levels_name(column, both[0])} and {LEAST} of "
        f"{levels_name(column, both[1])}; nearest: {nearest}: "
        "add images, name other ends by --majority and --minority, or another column that divides people by --divide"
    )

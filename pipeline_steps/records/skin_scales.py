"""What a data set says of an image's skin: a record of scale, value, who assigned it and the cell as it stands.

Scales describe different things: Fitzpatrick's types the skin's reaction to sun, Monk's tones and ITA its visible
colour. So a value stays on its scale, and ``convert`` makes of it what is sound and refuses the rest. An unknown record
has no scale, value or assigner, but its cell. Each scale has its own words for unknown: 0 is a class of ``milk6``, and
-1 an angle.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from pipeline_steps.records.skin_types import GROUPS, group_of, parse_skin_type, type_from_ita
from pipeline_steps.records.unknown import is_unknown, plain

FITZPATRICK6, FITZPATRICK3, MONK10, MILK6, ITA = "fitzpatrick6", "fitzpatrick3", "monk10", "milk6", "ita"
FITZPATRICK = (FITZPATRICK6, FITZPATRICK3)
ITA_TYPE = "ita_type"  # a type that was estimated from ITA: a scale of its own
RENDERED = "rendered"  # as assigner: the skin type is what the image was made with
# The published classes of ITA by their lower bounds in degrees (Chardon et al. 1991; Del Bino and Bernerd 2013).
_ITA_CLASSES = {"very light": 55.0, "light": 41.0, "intermediate": 28.0, "tan": 10.0, "brown": -30.0}


@dataclass(frozen=True)
class SkinRecord:
    """``scale``: fitzpatrick6 (a type), fitzpatrick3 (a group of two types), monk10, milk6 (0 the darkest) or ita."""

    scale: str
    value: str
    assigner: str
    raw: str


@dataclass(frozen=True)
class SkinColumn:
    """A column of a table that tells skin: its ``name``, how its cells are read (of ``READERS``), who assigned it."""

    name: str
    scale: str
    assigner: str


def parse_skin(cell: object, how: str, assigner: str) -> SkinRecord:
    """Read a cell of a data set as ``how``, one of ``READERS``, says.

    Raises:
        ValueError: the cell is neither a value of that scale nor a known way to say "unknown".
    """
    found = READERS[how](plain(str(cell)), cell)
    return SkinRecord(*found, assigner, str(cell)) if found else unknown_skin(str(cell))


def unknown_skin(cell: str = "") -> SkinRecord:
    """Nothing is known of an image's skin."""
    return SkinRecord("", "", "", cell)


def skin_columns(records: Iterable[SkinRecord]) -> dict[str, Any]:
    """Records as columns of a manifest; ``fitzpatrick_scale`` is the type where that is what is known."""
    known = [*records]
    types = [int(r.value) if r.scale == FITZPATRICK6 else None for r in known]
    told = {f"skin_{field.name}": [getattr(r, field.name) for r in known] for field in fields(SkinRecord)}
    import pandas as pd  # late: parameters are checked by this module, too, and need no tables

    return {"fitzpatrick_scale": pd.array(types, dtype="Int64"), **told}


def convert(record: SkinRecord, scale: str) -> SkinRecord:
    """A record on another scale: a type's group, or the type that an angle stands for (``ita_type``).

    Raises:
        ValueError: nothing sound leads there; says why.
    """
    if record.scale in ("", scale):
        return record
    if (way := _SOUND.get((record.scale, scale))) is None:
        raise ValueError(f"{record.scale} {record.value} can't be told as {scale}: {why_unsound(record.scale, scale)}")
    return SkinRecord(scale, way(record.value), record.assigner, record.raw)


def why_unsound(scale: str, other: str) -> str:
    """Why no value of ``scale`` can be told on the ``other`` one."""
    return _UNSOUND.get((scale, other), "the two describe different things")


def ita_type(angle: float) -> str:
    """The level of ``ita_type`` whose band holds an angle in degrees, such as ``ita5``."""
    return f"ita{type_from_ita(angle)}"


def ita_class(angle: float) -> str:
    """The published class of an angle in degrees, such as ``intermediate``."""
    return next((name for name, bound in _ITA_CLASSES.items() if angle > bound), "dark")


Reader = Callable[[str, object], tuple[str, str] | None]
_MONK = re.compile(r"(?:(?:mst|monk)(?: skin tone)?(?: scale)?[\s_:-]*)?(10|[1-9])(?:\.0)?")
_DIGIT = re.compile(r"(\d)(?:\.0)?")


def _fitzpatrick(_text: str, cell: object) -> tuple[str, str] | None:
    skin_type, group = parse_skin_type(cell)
    if skin_type is None:
        return (FITZPATRICK3, group) if group else None
    return FITZPATRICK6, str(skin_type)


def _numbered(scale: str, classes: Mapping[str, str], meaning: str) -> Reader:
    """A reader of digits, each of which stands for a class of ``scale``."""

    def read(text: str, cell: object) -> tuple[str, str] | None:
        if is_unknown(text):
            return None
        digit = _DIGIT.fullmatch(text)
        if digit is None or digit[1] not in classes:
            raise ValueError(f"{cell!r} is none of {', '.join(classes)} ({meaning}) and no blank")
        return scale, classes[digit[1]]

    return read


def _monk(text: str, cell: object) -> tuple[str, str] | None:
    if is_unknown(text) or text in {"0", "0.0"}:
        return None
    if found := _MONK.fullmatch(text):
        return MONK10, found[1]
    raise ValueError(f"{cell!r} is none of Monk's tones, 1 to 10 or MST 1 to MST 10, and no blank")


def _ita(text: str, cell: object) -> tuple[str, str] | None:
    if is_unknown(text) and not text.startswith("-1"):
        return None
    try:
        angle = float(text.removesuffix("\u00b0").strip())
    except ValueError:
        angle = float("nan")
    if not -90 <= angle <= 90:
        raise ValueError(f"{cell!r} is no ITA in degrees, -90 to 90, and no blank")
    return ITA, f"{angle:g}"


# How a column's cells may be read; the renumbered ones are Fitzpatrick's types under other numbers.
READERS: dict[str, Reader] = {
    "fitzpatrick": _fitzpatrick,
    "fitzpatrick_from_0": _numbered(FITZPATRICK6, {str(i): str(i + 1) for i in range(6)}, "0 is type I"),
    "fitzpatrick_reversed": _numbered(FITZPATRICK6, {str(7 - i): str(i) for i in range(6, 0, -1)}, "1 is type VI"),
    MONK10: _monk,
    MILK6: _numbered(MILK6, {str(i): str(i) for i in range(6)}, "0 is the darkest"),
    ITA: _ita,
}
_SOUND: dict[tuple[str, str], Callable[[str], str]] = {
    (FITZPATRICK6, FITZPATRICK3): group_of,
    (ITA, ITA_TYPE): lambda value: ita_type(float(value)),
}
_REACTION = "Fitzpatrick's scale describes reaction to sun, {} visible colour, and no formula or table leads across"
_COLOURS = {MONK10: "Monk's", MILK6: "MILK10k's classes", ITA: "ITA"}
_OPT_IN = "; population.column ita_type estimates types, marked as such"
_UNSOUND = {
    (FITZPATRICK3, FITZPATRICK6): f"a group of two types ({', '.join(GROUPS)}) does not say which",
    **{(scale, f): _REACTION.format(it) + (_OPT_IN if scale == ITA else "")
       for scale, it in _COLOURS.items() for f in FITZPATRICK},
    **{(f, scale): _REACTION.format(it) for scale, it in _COLOURS.items() for f in FITZPATRICK},
}  # fmt: skip

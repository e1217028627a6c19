"""Which column of a table says what: guessed by its name and by its values, each with the reason; never by chance."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from pipeline_steps.adopting.codes import is_condition
from pipeline_steps.adopting.pictures import Pictures
from pipeline_steps.adopting.words import ATTRIBUTES, plain_name, rank
from pipeline_steps.records.skin_types import parse_skin_type
from pipeline_steps.records.unknown import is_unknown, plain
from pipeline_steps.stage.errors import DataError

FLAGS = {
    "file": "--file",
    "condition": "--condition",
    "skin type": "--skin-type",
    "patient": "--patient",
    "lesion": "--lesion",
    "mask": "--mask",
}
_ENOUGH = 0.5  # of the cells that name a picture
_SPLITS = {"train", "test", "val", "valid", "validation", "training", "testing", "images", "imgs", "data", "bilder"}
# Words around a type in other languages; the records' parser knows the English ones.
_TYPE = re.compile(
    r"^(?:haut|foto|photo)?(?:typ|tipo|type|fototipo)[\s_\-:]*(?:fitzpatrick)?[\s_\-:]*|^fitzpatrick[\s_\-:]*"
)


class Guess(NamedTuple):
    """A column (empty: there is none) and why it was taken."""

    column: str
    reason: str


def guess(cells: pd.DataFrame, pictures: Pictures, said: Mapping[str, str]) -> dict[str, Guess]:
    """The column of each role; ``said``: what people said of some (``none``: there is none).

    Raises:
        DataError: a column that was said is not there; several fit a role that must be known, or none does.
    """
    for role, column in said.items():
        if column != "none" and column not in cells.columns:
            raise DataError(f"{FLAGS[role]} {column}: there is no such column; there are {', '.join(map(str, cells))}")
    found = {role: Guess("" if column == "none" else column, "as you said") for role, column in said.items()}
    for role, look in _LOOKS.items():
        if role not in found:
            taken = {g.column for g in found.values()}
            found[role] = look(cells[[c for c in cells if c not in taken]], pictures)
    return {role: found[role] for role in FLAGS}


def attributes(cells: pd.DataFrame, roles: Mapping[str, Guess], said: Sequence[str]) -> list[str]:
    """Columns that tell something else of each image: those that were said, or whose names are known."""
    taken = {g.column for g in roles.values()}
    if absent := [column for column in said if column not in cells.columns]:
        raise DataError(f"--attributes: there is no column {', '.join(absent)}; there are {', '.join(map(str, cells))}")
    return list(said) or [str(c) for c in cells if c not in taken and plain_name(str(c)) in ATTRIBUTES]


def skin_type_of(cell: str) -> str:
    """A cell as the records' parser reads it, without words of other languages: a type, a group's digits, or nothing.

    Raises:
        ValueError: it is no skin type.
    """
    try:
        known, group = parse_skin_type(cell)
    except ValueError:
        known, group = parse_skin_type(_TYPE.sub("", plain(cell)))
    return str(known) if known else group or ""


def _file(cells: pd.DataFrame, pictures: Pictures) -> Guess:
    named = {str(c): [pictures.named_by(cell) for cell in cells[c]] for c in cells}
    hits = {c: len({*files} - {None}) for c, files in named.items()}
    good = [c for c, n in hits.items() if n and n >= _ENOUGH * max(1, _filled(cells[c]))]
    if not good:
        most = max(hits, key=lambda c: hits[c], default="")
        seen = f"; most, {hits[most]} of {len(cells)}, are named by {most}" if most and hits[most] else ""
        example = pictures.photographs[0] if pictures.photographs else "none"
        raise DataError(
            f"no column's cells name the {len(pictures.photographs)} pictures in {pictures.root} (such as {example})"
            f"{seen}: name the column by --file, or the pictures' folder by --images"
        )
    exact = {c: sum(map(operator.eq, cells[c], named[c])) for c in good}  # a place tells more than a name
    best = max(good, key=lambda c: (hits[c], exact[c], -good.index(c)))
    if rivals := [c for c in good if named[c] != named[best] and hits[c] >= _ENOUGH * hits[best]]:
        raise _ambiguous("file", [best, *rivals], cells)
    return Guess(best, f"its cells name {hits[best]} of {len(pictures.photographs)} pictures")


def _filled(column: pd.Series) -> int:
    return sum(not is_unknown(cell) for cell in column)


def _condition(cells: pd.DataFrame, _pictures: Pictures) -> Guess:
    if called := _called(cells, "condition", lambda column: len(_values(column)) > 1):
        return called
    levels = [str(c) for c in cells if not _values(cells[c]) <= _SPLITS and len(_values(cells[c])) > 1]
    telling = [c for c in levels if _share(_values(cells[c]), is_condition) > _ENOUGH]
    if len(telling) > 1:
        raise _ambiguous("condition", telling, cells)
    if telling:
        return Guess(str(telling[0]), "by values: names of skin conditions")
    folders = [c for c in levels if str(c).startswith("folder_") and _share(_values(cells[c]), _is_type) < 1]
    if len(folders) == 1:
        return Guess(str(folders[0]), "the only folders that differ")
    raise DataError(f"no column looks like the condition: name it by --condition; there are {_shown(cells, levels)}")


def _skin(cells: pd.DataFrame, _pictures: Pictures) -> Guess:
    if called := _called(cells, "skin type", lambda column: _share(_values(column), _is_type) == 1):
        return called
    telling = [
        str(c) for c in cells if (v := _values(cells[c])) and _share(v, _is_type) == 1 and len(v) > 1 and _roman(v)
    ]
    if len(telling) > 1:
        raise _ambiguous("skin type", telling, cells)
    if telling:
        return Guess(str(telling[0]), "by values: I to VI, or such")
    doubtful = [str(c) for c in cells if rank(str(c), "skin type") is not None and _values(cells[c])]
    strange = {c: sorted(v for v in _values(cells[c]) if not _is_type(v))[:3] for c in doubtful}
    said = "; ".join(f"{c} is called so, but holds {', '.join(map(repr, v))}" for c, v in strange.items())
    return Guess("", said or "no column is called so, or holds I to VI")


def _is_type(value: str) -> bool:
    try:
        return bool(skin_type_of(value))
    except ValueError:
        return False


def _roman(values: Iterable[str]) -> bool:
    """Whether values are written as skin types alone are; numbers from 1 to 6 may be anything."""
    return not any(value.removesuffix(".0").isdecimal() for value in values)


def _named_alone(role: str) -> Callable[[pd.DataFrame, Pictures], Guess]:
    def look(cells: pd.DataFrame, _pictures: Pictures) -> Guess:
        found = _called(cells, role, lambda column: bool(_values(column)))
        return found or Guess("", "no column is called so")

    return look


def _mask(cells: pd.DataFrame, pictures: Pictures) -> Guess:
    for c in cells:
        named = sum(bool(pictures.mask_named_by(cell)) for cell in cells[c] if cell)
        if named > _ENOUGH * max(1, _filled(cells[c])):
            return Guess(str(c), f"its cells name {named} masks")
    return Guess(
        "", f"{len(pictures.masks)} masks lie there, by their names" if pictures.masks else "no masks lie there"
    )


_LOOKS: dict[str, Callable[[pd.DataFrame, Pictures], Guess]] = {
    "file": _file,
    "skin type": _skin,
    "condition": _condition,
    "patient": _named_alone("patient"),
    "lesion": _named_alone("lesion"),
    "mask": _mask,
}


def _called(cells: pd.DataFrame, role: str, fits: Callable[[pd.Series], bool]) -> Guess | None:
    """The column whose name fits best.

    Raises:
        DataError: several fit equally well and say different things.
    """
    ranks = {str(c): r for c in cells if (r := rank(str(c), role)) is not None and fits(cells[c])}
    if not ranks:
        return None
    best = [c for c, r in ranks.items() if r == min(ranks.values())]
    if len(best) > 1 and not all(cells[c].equals(cells[best[0]]) for c in best[1:]):
        raise _ambiguous(role, best, cells)
    return Guess(best[0], "by name")


def _ambiguous(role: str, columns: Sequence[str], cells: pd.DataFrame) -> DataError:
    return DataError(f"columns {_shown(cells, columns)} may each be the {role}: name one by {FLAGS[role]} {columns[0]}")


def _shown(cells: pd.DataFrame, columns: Sequence[str]) -> str:
    return "; ".join(f"{c} ({', '.join(sorted(_values(cells[c]))[:3])} …)" for c in list(columns)[:8])


def _values(column: pd.Series) -> set[str]:
    return {plain(cell) for cell in column.unique() if not is_unknown(cell)}


def _share(values: Iterable[str], fits: Callable[[str], bool]) -> float:
    listed = list(values)
    return sum(map(fits, listed)) / len(listed) if listed else 0.0

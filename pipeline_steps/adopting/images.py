"""What a table says of each photograph, once its columns are known: one row an image, and what stands in the way."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline_steps.adopting.codes import Naming
from pipeline_steps.adopting.pictures import PICTURES, Pictures, pattern
from pipeline_steps.adopting.roles import Guess, skin_type_of
from pipeline_steps.adopting.tables import Table
from pipeline_steps.records.populations import level_text
from pipeline_steps.records.skin_types import parse_skin_type
from pipeline_steps.records.unknown import is_unknown
from pipeline_steps.stage.errors import DataError

_SHOWN = 4


class Images(NamedTuple):
    """``rows``: image_id, file, label, skin_type, patient_id, lesion_id, mask, then attributes; all text.

    ``file`` and ``mask`` are relative to the pictures' folder, and empty where nothing lies there. ``mapped``: where
    ``ingest`` finds all that by itself, in the original table; None: it needs ``rows`` as a table of its own, ``why``.
    """

    rows: pd.DataFrame
    attributes: list[str]
    mapped: dict[str, object] | None
    why: str


def images(
    table: Table, pictures: Pictures, roles: Mapping[str, Guess], attributes: Sequence[str], naming: Naming
) -> Images:
    """Read each row by its columns' roles.

    Raises:
        DataError: a skin type is none; rows of one picture say different things.
    """
    cells, columns = table.cells, {role: g.column for role, g in roles.items()}
    files = [pictures.named_by(cell) for cell in cells[columns["file"]]]
    masks = _masks(cells, files, columns["mask"], pictures)
    rows = pd.DataFrame(
        {
            "image_id": [Path(file or cell).stem for file, cell in zip(files, cells[columns["file"]], strict=True)],
            "file": [file or _plain(cell) for file, cell in zip(files, cells[columns["file"]], strict=True)],
            "label": [naming.names.get(cell, "") for cell in cells[columns["condition"]]],
            "skin_type": _skin_types(table, columns["skin type"]),
            "patient_id": _ids(cells, columns["patient"]),
            "lesion_id": _ids(cells, columns["lesion"]),
            "mask": masks,
            **{name: cells[name].to_list() for name in attributes},
        },
        dtype=object,
    )
    rows["there"] = [file is not None for file in files]
    distinct = _one_row_a_picture(rows, table)
    mapped, why = _as_it_is(table, pictures, columns, (files, masks), naming)
    if mapped is not None:
        mapped["attributes"] = list(attributes)
    if distinct["image_id"].duplicated().any():  # of several folders: their places tell them apart
        distinct = distinct.assign(image_id=distinct["file"])
    return Images(distinct, list(attributes), mapped, why)


def _plain(cell: str) -> str:
    return cell if Path(cell).suffix.lower() in PICTURES else f"{cell}.jpg" if cell else ""


def _ids(cells: pd.DataFrame, column: str) -> list[str]:
    return ["" if is_unknown(cell) else cell for cell in cells[column]] if column else [""] * len(cells)


def _skin_types(table: Table, column: str) -> list[str]:
    if not column:
        return [""] * len(table.cells)
    made, strange = [], Counter[str]()
    first = ""
    for number, cell in zip(table.numbers, table.cells[column], strict=True):
        try:
            made.append(skin_type_of(cell))
        except ValueError:
            made.append("")
            strange[cell] += 1
            first = first or f"row {number}"
    if strange:
        shown = ", ".join(f"{cell!r} ({n})" for cell, n in strange.most_common(_SHOWN))
        raise DataError(
            f"{table.place}, {first}, column {column}: {shown} {'is' if len(strange) == 1 else 'are'} no Fitzpatrick "
            "type: write 1 to 6, I to VI, a group such as I-II, or nothing; or name another column by --skin-type"
        )
    return made


def _masks(cells: pd.DataFrame, files: Sequence[str | None], column: str, pictures: Pictures) -> list[str]:
    if column:
        return [pictures.mask_named_by(cell) or "" for cell in cells[column]]
    return [pictures.masks_by_stem.get(Path(file).stem.casefold(), "") if file else "" for file in files]


def _one_row_a_picture(rows: pd.DataFrame, table: Table) -> pd.DataFrame:
    distinct = rows.drop_duplicates()
    again = distinct["there"] & distinct["file"].duplicated(keep=False)
    if not again.any():
        return distinct.reset_index(drop=True)
    name = distinct.loc[again, "file"].iloc[0]
    same = distinct[again & (distinct["file"] == name)]
    differing = [c for c in same if len(set(same[c])) > 1]
    numbers = " and ".join(str(table.numbers[i]) for i in same.index[:3])
    raise DataError(
        f"{table.place}, rows {numbers}: both name {name} and differ in {', '.join(differing)} "
        f"({distinct.loc[again, 'file'].nunique()} such pictures): keep one row a picture"
    )


def _as_it_is(
    table: Table,
    pictures: Pictures,
    columns: Mapping[str, str],
    found: tuple[list[str | None], list[str]],
    naming: Naming,
) -> tuple[dict[str, object] | None, str]:
    """How ``ingest`` reads the original table, or why it can't."""
    cells, skin = table.cells, columns["skin type"]
    obstacles = {
        "yours is no delimited text in UTF-8": not table.as_it_is,
        "some pictures have several rows in it": cells.drop_duplicates()[columns["file"]].duplicated().any(),
        "its labels get other names": any(n != " ".join(c.lower().split()) for c, n in naming.names.items()),
        "its skin types are written otherwise": bool(skin) and not all(map(_is_known_type, cells[skin])),
    }
    if why := next((why for why, true in obstacles.items() if true), ""):
        return None, why
    how = pattern(columns["file"], list(cells[columns["file"]]), found[0], pictures.root)
    if how is None:
        return None, "no one pattern gives the names of all files"
    masks = _mask_pattern(cells, columns, found, pictures)
    if masks is None:
        return None, "no one pattern gives the names of all masks"
    return {
        "csv": table.place,
        "images": how[0].as_posix(),
        "masks": masks[0].as_posix(),
        "file": how[1],
        "mask": masks[1],
        "image_id": columns["file"],
        "condition": columns["condition"],
        "skin_type": columns["skin type"],
        "patient_id": columns["patient"],
        "lesion_id": columns["lesion"],
    }, ""


def _is_known_type(cell: str) -> bool:
    try:
        parse_skin_type(cell)
    except ValueError:
        return False
    return True


def _mask_pattern(
    cells: pd.DataFrame, columns: Mapping[str, str], found: tuple[list[str | None], list[str]], pictures: Pictures
) -> tuple[Path, str] | None:
    """Folder and pattern of the masks; an empty pattern where there are none."""
    masks: list[str | None] = [mask or None for mask in found[1]]
    if not any(masks):
        return pictures.root, ""
    if columns["mask"]:
        return pattern(columns["mask"], list(cells[columns["mask"]]), masks, pictures.root)
    stems = [Path(cell).stem if Path(cell).suffix.lower() in PICTURES else cell for cell in cells[columns["file"]]]
    return pattern("stem", stems, masks, pictures.root)


def levels(rows: pd.DataFrame, column: str) -> "pd.Series[str]":
    """The level of each image; empty where it is unknown."""
    said = rows[column].astype(str)
    return said if column == "skin_type" else said.map(level_text).mask(said.map(is_unknown), "")

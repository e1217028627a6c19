"""Tables as people keep them beside their photographs: CSV, TSV, Excel, Parquet; or folders that are the labels."""

import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from pipeline_steps.adopting.pictures import Pictures
from pipeline_steps.records.text_tables import read_numbered
from pipeline_steps.stage.errors import DataError

CLASS_FOLDERS = "folders of pictures"


class Table(NamedTuple):
    """Cells as text, a row an image; where they stand, and the number of each row there.

    ``as_it_is``: ``ingest`` can read the file itself. ``notes``: how it was read, where that was a guess.
    """

    cells: pd.DataFrame
    place: str
    numbers: list[int]
    as_it_is: bool
    notes: tuple[str, ...] = ()


def read_table(path: Path, sheet: str) -> Table:
    """Read one table.

    Raises:
        DataError: it is none, or of a kind that is not read; with the remedy.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(f"{path} is no table that is read here ({', '.join(_READERS)}): save it as CSV or .xlsx")
    if not path.is_file():
        raise DataError(f"{path} does not exist: name the table by --table, relative to the folder or to where you are")
    return read(path, sheet)


def tables_in(folder: Path) -> list[Path]:
    """All files that may be tables; texts are none unless they are named."""
    found = (f for f in folder.rglob("*") if f.is_file() and f.suffix.lower() in set(_READERS) - {".txt"})
    return sorted(f for f in found if not any(p.startswith((".", "~$")) for p in f.relative_to(folder).parts))


def class_folders(pictures: Pictures) -> Table:
    """A row a picture, a column for each level of folders above it: ``folder_1`` is the outermost.

    Raises:
        DataError: the pictures lie in no folder, so that nothing says what they show.
    """
    rows = [PurePosixPath(name).parts for name in pictures.photographs]
    depth = max((len(row) - 1 for row in rows), default=0)
    if not depth:
        raise DataError(
            f"{pictures.root} holds {len(rows)} pictures, no table (CSV, TSV, Excel, Parquet), no folder a condition: "
            "put a table there, or name one by --table"
        )
    columns = {f"folder_{i + 1}": [row[i] if len(row) > i + 1 else "" for row in rows] for i in range(depth)}
    cells = pd.DataFrame({"file": list(pictures.photographs), **columns}, dtype=object)
    return Table(cells, CLASS_FOLDERS, list(range(1, len(rows) + 1)), as_it_is=False)


def _text(path: Path, _sheet: str) -> Table:
    try:
        path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _of_old_excel(path, error)
    return Table(*_swapped(read_numbered(path), str(path)), as_it_is=True)


def _of_old_excel(path: Path, error: UnicodeDecodeError) -> Table:
    """A table that is no UTF-8: with a mark of UTF-16 as it is, else as Windows writes it in western Europe.

    Raises:
        DataError: it is neither.
    """
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"PK", b"\xd0\xcf")):
        return Table(*_swapped(read_numbered(path), str(path)), as_it_is=True)
    line = content[: error.start].count(b"\n") + 1
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise DataError(
            f"{path}, line {line}: neither UTF-8 nor Windows-1252; save it as UTF-8 (in Excel: CSV UTF-8)"
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        (copy := Path(folder) / path.name).write_text(text, "utf-8", newline="")
        cells, numbers = read_numbered(copy)
    shown = content[max(0, error.start - 12) : error.start + 12].decode("cp1252").strip()
    note = f"no UTF-8, so it was read as Windows-1252: line {line} says {shown!r}; if not, save it as UTF-8"
    return Table(cells, str(path), numbers, as_it_is=False, notes=(note,))


def _swapped(read: tuple[pd.DataFrame, list[int]], place: str) -> tuple[pd.DataFrame, str, list[int]]:
    return read[0], place, read[1]


def _excel(path: Path, sheet: str) -> Table:
    try:
        sheets = pd.read_excel(path, sheet_name=None, dtype=object, keep_default_na=False, engine="openpyxl")
    except Exception as error:
        raise DataError(
            f"{path} can't be read as an Excel workbook: {error}; save it anew as .xlsx or as CSV"
        ) from error
    filled = {str(name): cells for name, cells in sheets.items() if len(cells) and len(cells.columns) > 1}
    if sheet:
        if sheet not in filled:
            raise DataError(f"{path} has no sheet {sheet!r} with rows; it has {', '.join(filled) or 'none'}")
        filled = {sheet: filled[sheet]}
    if len(filled) != 1:
        raise DataError(f"{path} has {len(filled)} sheets with rows ({', '.join(filled)}): name one by --sheet")
    ((name, cells),) = filled.items()
    table = _as_text(cells)
    full = (table != "").any(axis=1)
    return Table(
        table[full].reset_index(drop=True),
        f"{path}, sheet {name}",
        [int(i) + 2 for i in table.index[full]],
        as_it_is=False,
    )


def _parquet(path: Path, _sheet: str) -> Table:
    try:
        cells = pd.read_parquet(path)
    except Exception as error:
        raise DataError(f"{path} can't be read as Parquet: {error}") from error
    within = [str(c) for c in cells if cells[c].map(lambda cell: isinstance(cell, (bytes, dict))).any()]
    if within:
        raise DataError(
            f"{path}: column {', '.join(within)} holds the pictures themselves; save them as files, and their names in "
            "a column"
        )
    return Table(_as_text(cells), str(path), list(range(1, len(cells) + 1)), as_it_is=False)


def _as_text(cells: pd.DataFrame) -> pd.DataFrame:
    names = [str(c).strip() for c in cells.columns]
    return pd.DataFrame({n: cells.iloc[:, i].map(_cell) for i, n in enumerate(names)}, dtype=object)


def _cell(value: object) -> str:
    """A cell as a person sees it: 3.0 is 3, what is missing is blank."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):  # type: ignore[call-overload]
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())


_READERS: dict[str, Callable[[Path, str], Table]] = {
    ".csv": _text,
    ".tsv": _text,
    ".tab": _text,
    ".txt": _text,
    ".xlsx": _excel,
    ".xlsm": _excel,
    ".parquet": _parquet,
}

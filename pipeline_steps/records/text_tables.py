"""Tables as people have them, read as text: no cell becomes a number, a date or a truth by guess."""

import codecs
import csv
import difflib
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_steps.stage.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_DELIMITERS = ",;\t|"
_LOOKED_AT = 50  # rows, to find the delimiter
_NAMED = 3  # rows in an error
_OTHERS = {b"PK\x03\x04": "an Excel workbook (or a ZIP)", b"\xd0\xcf\x11\xe0": "an Excel workbook", b"PAR1": "Parquet"}
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad"  # of no width
_CODES = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_text_table(path: Path) -> "pd.DataFrame":
    """The table of ``read_numbered``, without the numbers of its rows."""
    return read_numbered(path)[0]


def read_numbered(path: Path) -> "tuple[pd.DataFrame, list[int]]":
    """The table of ``read_rows`` in columns, and the number of each row."""
    import pandas as pd  # late: who only names a table does without it

    rows = read_rows(path)
    return pd.DataFrame([cells for _, cells in rows], dtype=object).astype(str), [number for number, _ in rows]


def read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows of a delimited table with a header, each with its number and its cells by column.

    Cells are text, blanks kept; cells and names come without blanks around them.

    The delimiter is found: comma, semicolon, tab or bar. UTF-8, or UTF-16 with its mark; any line ends. Empty rows, and
    what is empty beyond the header's last column, are left out. A column without a name is ``Unnamed: 0``;
    names are in Unicode's composed form. Rows are numbered as spreadsheets count them: the header is 1, blank
    rows count, and a cell of several lines is in one row.

    Raises:
        DataError: there is no such file, or it is no such table; the message names the row.
    """
    text = _decoded(path)
    try:
        rows = _parsed(path, text)
    except csv.Error as error:
        raise DataError(
            f"{path} is not a table that can be read: {error}; look for a quote that is not closed"
        ) from None
    if not rows:
        raise DataError(f"{path} is empty: a table with a header is wanted")
    (_, _, header), *body = rows
    names = _names(path, header)
    wrong = [(line, len(cells)) for _, line, cells in body if len(cells) != len(names) and any(cells[len(names) :])]
    wrong += [(line, len(cells)) for _, line, cells in body if len(cells) < len(names)]
    if wrong:
        first = ", ".join(f"line {line} has {n}" for line, n in sorted(wrong)[:_NAMED])
        raise DataError(
            f"{path}: the header has {len(names)} columns, but {len(wrong)} rows have more or fewer ({first}); put "
            "cells that hold the delimiter into quotes"
        )
    if not body:
        raise DataError(f"{path} has a header and no rows")
    return [(number, dict(zip(names, cells, strict=False))) for number, _, cells in body]


def require_columns(path: Path, wanted: Iterable[str], there: Iterable[str], place: str = "") -> None:
    """Whether a table has all columns that are wanted; ``place``: what wants them.

    Raises:
        DataError: with the column, those that there are, and the one that may be meant.
    """
    known = list(there)
    folded = {c.casefold(): c for c in known}
    for column in wanted:
        if column not in known:
            near = difflib.get_close_matches(column.casefold(), folded, 1, 0.5)
            hint = f"; did you mean {folded[near[0]]!r}?" if near else ""
            raise DataError(f"{path} has no column {column!r}{place}; it has {', '.join(known)}{hint}")


def _decoded(path: Path) -> str:
    if path.is_dir():
        raise DataError(f"{path} is a folder; name the table in it")
    if not path.is_file():
        raise DataError(f"{path} does not exist; set its location under ingest.sources in params.yaml")
    content = path.read_bytes()
    if other := next((kind for start, kind in _OTHERS.items() if content.startswith(start)), ""):
        raise DataError(f"{path} is {other}, not delimited text: save it as CSV in UTF-8")
    code = next((code for mark, code in _CODES.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(code)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: byte {error.object[error.start]:#04x} is not {code.upper()}; save the table as "
            'UTF-8 (in Excel: "CSV UTF-8")'
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(f"{path}, line {line}: holds NUL, so it is no text; save the table as CSV in UTF-8")
    return text


def _parsed(path: Path, text: str) -> list[tuple[int, int, list[str]]]:
    """Rows that hold something, with their number and that of their last line."""
    delimiter = max(_DELIMITERS, key=lambda d: _fit(text, d))  # the first of those that fit equally well
    if text[:4].lower() == "sep=" and text[4:5] in _DELIMITERS and text[5:6] in {"\r", "\n"}:  # Excel's way to say it
        delimiter, text = text[4], text[6:]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = [(n, reader.line_num, [_bare(cell) for cell in cells]) for n, cells in enumerate(reader, 1)]
    kept = [(n, line, cells) for n, line, cells in rows if any(cells)]
    if kept and len(kept[0][2]) == 1 and any(ord(c) < ord(" ") for c in kept[0][2][0]):
        raise DataError(f"{path} is no table: its first row holds control characters")
    return kept


def _bare(cell: str) -> str:
    """A cell without what is blank or unseen at its ends."""
    return cell.strip().strip(_UNSEEN).strip()


def _fit(text: str, delimiter: str) -> tuple[float, int]:
    """How well a delimiter fits the first rows: the share with as many cells as the header, and how many these are."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    counts: list[int] = []
    try:
        for cells in reader:
            counts += [len(cells)] if any(cell.strip() for cell in cells) else []
            if len(counts) > _LOOKED_AT:
                break
    except csv.Error:
        return 0.0, 0
    if not counts or counts[0] == 1:
        return 0.0, 0
    return counts.count(counts[0]) / len(counts), counts[0]


def _names(path: Path, header: Sequence[str]) -> list[str]:
    """Names of the columns, without empty ones at the end."""
    last = max((i for i, name in enumerate(header) if name), default=-1)
    composed = [unicodedata.normalize("NFC", name) for name in header[: last + 1]]
    names = [name or f"Unnamed: {i}" for i, name in enumerate(composed)]
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise DataError(f"{path} has two columns called {', '.join(twice)}; rename one of them")
    return names

"""What adapters of official downloads share: tables found where archives put them, and labels by a table of names."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from pipeline_steps.datasets.files import listing
from pipeline_steps.records.text_tables import read_rows, require_columns
from pipeline_steps.records.unknown import is_unknown, plain
from pipeline_steps.stage.errors import DataError

Cells = dict[str, str]


def find_table(folder: Path, names: Collection[str]) -> Path:
    """The table of one of these ``names`` in ``folder`` or a folder in it.

    Raises:
        DataError: there is none, or several that differ.
    """
    wanted = {name.casefold() for name in names}
    there = sorted(listing(folder))
    found = [folder / name for name in there if name.rpartition("/")[2].casefold() in wanted]
    if not found:
        state = "there is no such folder" if not folder.is_dir() else f"it holds {len(there)} files"
        raise DataError(
            f"{folder} has no {' or '.join(names)} ({state}); put the download there, its archives unpacked, or set "
            "folder under ingest.sources in params.yaml"
        )
    if other := next((path for path in found[1:] if path.read_bytes() != found[0].read_bytes()), None):
        raise DataError(f"{folder} holds two tables that differ: {found[0]} and {other}; keep one")
    return found[0]


def table_rows(path: Path, columns: Iterable[str]) -> Iterator[tuple[str, Cells]]:
    """Place and cells of each row of a table that has ``columns``.

    Raises:
        DataError: it is no such table.
    """
    rows = read_rows(path)
    require_columns(path, columns, rows[0][1])
    for number, cells in rows:
        yield f"{path}, row {number}", cells


def in_words(place: str, column: str, code: str, names: Mapping[str, str]) -> str:
    """What a code of a closed vocabulary stands for; nothing where it says "unknown".

    Raises:
        DataError: it is none of ``names``.
    """
    if is_unknown(code):
        return ""
    if (word := names.get(plain(code))) is None:
        raise DataError(
            f"{place}, column {column}: {code!r} is none of {', '.join(names)}; is this the table as it was published?"
        )
    return word


def whole_number(place: str, column: str, cell: str) -> str:
    """An id of digits as it stands.

    Raises:
        DataError: it is none, as where a spreadsheet rounded it.
    """
    if not cell.removeprefix("-").isdecimal():
        raise DataError(
            f"{place}, column {column}: {cell!r} is no whole number; spreadsheets round long ids, so take the table as "
            "it was published"
        )
    return cell

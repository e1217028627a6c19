"""A person's own table and folder of images: parameters say which column holds what."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_steps.datasets.data_set import DataSet, Decoding, Mapped, Published, Reads, Row
from pipeline_steps.records.licences import Licence, Redistribute
from pipeline_steps.records.text_tables import read_rows

if TYPE_CHECKING:
    from pipeline_steps.datasets.source import Source

_NOTHING_SAID = Licence("", "ask", "")


class Folder(Mapped):
    """``ingest.sources.folder``. ``licence``: an SPDX id or words; ``redistribute``: the right to pass images on."""

    licence: str
    redistribute: Redistribute


def published_table(m: Mapped, licence: Licence = _NOTHING_SAID) -> Published:
    """The rows of a table under a mapping of its columns.

    Raises:
        DataError: it is no table.
    """
    rows = [Row(cells, f"{m.csv}, row {number}", licence) for number, cells in read_rows(m.csv)]
    return Published(m, rows)


def _read(p: Folder, decoding: Decoding) -> "Source":
    from pipeline_steps.datasets.table import read_published  # late: it brings the libraries that open images

    source = read_published(published_table(p, Licence(p.licence, p.redistribute, "")), decoding)
    if source.lacking or not p.mask or source.report["masks_found"]:
        return source
    return replace(
        source,
        lacking=f"no image has a mask: {p.masks} holds no file as ingest.sources.folder.mask, {p.mask!r}, says; "
        'mend one of them, or set mask to ""',
    )


def _masks(p: Folder) -> Path | None:
    return p.masks if p.mask else None


def _reads(p: Folder) -> Reads:
    return {"table": p.csv, "images": p.images, "masks": _masks(p)}


FOLDER = DataSet("folder", Folder, _reads, lambda p: {"table": p.csv}, _read)

"""Hugging Face's ``imagefolder``: ``metadata.csv`` or ``metadata.jsonl`` beside its images, perhaps a folder a split.

``file_name`` is relative to the table's folder. A copy of a set as Parquet with images inside is another form.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline_steps.datasets.class_folders import PARTITIONS
from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, SkinScale, WithAttributes, photographs
from pipeline_steps.datasets.downloads import Cells, table_rows
from pipeline_steps.datasets.files import listing
from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.records.licences import Licence, Redistribute
from pipeline_steps.records.text_tables import require_columns
from pipeline_steps.stage.errors import DataError

_TABLES = ("metadata.csv", "metadata.jsonl")


class Imagefolder(WithAttributes):
    """``ingest.sources.imagefolder``: which columns hold what; an empty name means that the set has none."""

    folder: Path
    condition: NonEmpty
    skin_type: str
    skin_scale: SkinScale
    skin_assigner: str
    patient_id: str
    lesion_id: str
    licence: str
    redistribute: Redistribute


def published(p: Imagefolder) -> Published:
    """The rows of all its tables.

    Raises:
        DataError: there is none, or one is not as it should be.
    """
    licence = Licence(p.licence, p.redistribute, "")
    tables = [p.folder / name for name in sorted(listing(p.folder)) if name.rpartition("/")[2] in _TABLES]
    if not tables:
        inside = any(name.endswith(".parquet") for name in listing(p.folder))
        raise DataError(
            f"{p.folder} holds no {' or '.join(_TABLES)}"
            + ("; its Parquet files hold images, which this adapter does not read: " if inside else ": ")
            + "save the set by datasets' imagefolder, or take adapter class_folders where folders are the labels"
        )
    rows = [row for table in tables for row in _rows(p, table, licence)]
    columns = {column: "" for row in rows for column in row.cells}  # tables of splits may lack what others have
    mapped = Mapped(
        csv=tables[0],
        images=p.folder,
        masks=p.folder,
        file="{file_name}",
        mask="",
        image_id="file_name",
        condition=p.condition,
        skin_type=p.skin_type,
        skin_scale=p.skin_scale,
        skin_assigner=p.skin_assigner,
        patient_id=p.patient_id,
        lesion_id=p.lesion_id,
        attributes=p.attributes,
    )
    filled = [Row(columns | dict(row.cells), row.place, row.licence, row.facts) for row in rows]
    return Published(mapped, filled)


def _rows(p: Imagefolder, table: Path, licence: Licence) -> Iterator[Row]:
    inner = table.parent.relative_to(p.folder)
    partition = PARTITIONS.get(inner.parts[0].casefold(), "") if inner.parts else ""
    facts = {"partition": partition} if partition else {}
    for place, cells in _json_rows(table) if table.suffix == ".jsonl" else table_rows(table, ["file_name"]):
        yield Row(cells | {"file_name": (inner / cells["file_name"]).as_posix()}, place, licence, facts)


def _json_rows(table: Path) -> Iterator[tuple[str, Cells]]:
    for number, line in enumerate(table.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        place = f"{table}, line {number}"
        try:
            said = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f'{place}: {error}; each line is one JSON object, such as {{"file_name": …}}') from None
        if not isinstance(said, dict):
            raise DataError(f'{place}: it is no JSON object, such as {{"file_name": …}}')
        require_columns(table, ["file_name"], said)
        yield place, {column: _text(value) for column, value in said.items()}


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


IMAGEFOLDER = DataSet(
    "imagefolder", Imagefolder, lambda p: {"table": p.folder}, lambda p: {"table": p.folder}, photographs(published)
)

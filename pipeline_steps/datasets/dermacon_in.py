"""DermaCon-IN (India, 2025): 5,450 photographs of about 3,002 people, with three levels of labels.

Cells are ``N/A`` or blank where nothing is known; ``Keratanisation`` and ``Keratinisation`` are one class; lists hold
semicolons, and texts commas. Fitzpatrick's and Monk's values stand side by side: pairs, and no conversion. Partitions
come from ``train_split.csv`` and ``test_split.csv`` where these are there. A copy has its columns in small letters.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, WithAttributes, photographs
from pipeline_steps.datasets.downloads import Cells, find_table, table_rows
from pipeline_steps.datasets.files import listing
from pipeline_steps.records.licences import Licence
from pipeline_steps.records.skin_scales import SkinColumn
from pipeline_steps.records.text_tables import require_columns
from pipeline_steps.stage.errors import DataError

LICENCE = Licence("CC-BY-NC-SA-4.0", "conditions", "DermaCon-IN, Harvard Dataverse W7OUZM")
_SKIN = {
    "fitzpatrick": SkinColumn("fitzpatrick", "fitzpatrick", "expert"),
    "monk_skin_tone": SkinColumn("monk_skin_tone", "monk10", "expert"),
}
_SPLITS = {"train": "train_split.csv", "test": "test_split.csv"}
_NO_DIAGNOSIS = "no definite diagnosis"
_DIAGNOSES = ("main_class", "sub_class", "disease_label")


class DermaconIn(WithAttributes):
    """``ingest.sources.dermacon_in``. ``skin_type``, ``label``: columns, in small letters."""

    revealing: ClassVar[Mapping[str, str]] = dict.fromkeys(_DIAGNOSES, "it is of the diagnosis")
    folder: Path
    skin_type: Literal["fitzpatrick", "monk_skin_tone"]
    label: Literal["main_class", "sub_class", "disease_label"]


def published(p: DermaconIn) -> Published:
    """The rows of ``Skin_Metadata.csv``.

    Raises:
        DataError: it is not there, or one person is in both partitions.
    """
    csv = find_table(p.folder, ["Skin_Metadata.csv"])
    mapped = Mapped(
        csv=csv,
        images=p.folder,
        masks=p.folder,
        file="{image_name}",
        mask="",
        image_id="image_name",
        condition="condition",
        skin_type=p.skin_type,
        skin_scale="monk10" if p.skin_type == "monk_skin_tone" else "fitzpatrick",
        skin_assigner="expert",
        patient_id="subject_id",
        lesion_id="",
        attributes=tuple(name.casefold() for name in p.attributes),
    )
    found = [(place, _small(cells)) for place, cells in table_rows(csv, [])]
    require_columns(csv, ["image_name", "subject_id", *_SKIN, "gradability", p.label], found[0][1])
    partitions = _partitions(p.folder)
    rows = [_row(p, place, cells, partitions.get(cells["image_name"], "")) for place, cells in found]
    _refuse_crossing(rows)
    undecided = sum(cells["gradability"].casefold() == "no" for _, cells in found)
    return Published(mapped, rows, anywhere=True, other_skin=[*_SKIN.values()], counts={"not_gradable": undecided})


def _small(cells: Cells) -> Cells:
    return {column.casefold(): cell for column, cell in cells.items()}


def _row(p: DermaconIn, place: str, cells: Cells, partition: str) -> Row:
    label = cells[p.label].casefold().replace("keratanisation", "keratinisation")
    undecided = _NO_DIAGNOSIS in {label, cells.get("main_class", "").casefold()}
    known = cells["gradability"].casefold() != "no" and not undecided
    facts = {"partition": partition} if partition else {}
    return Row(cells | {"condition": label if known else ""}, place, LICENCE, facts)


def _partitions(folder: Path) -> dict[str, str]:
    """The published partition of each image, where the lists are there."""
    there = {name.rpartition("/")[2].casefold() for name in listing(folder)}
    found: dict[str, str] = {}
    for partition, name in _SPLITS.items():
        for place, cells in table_rows(find_table(folder, [name]), []) if name in there else ():
            image = _small(cells)["image_name"]
            if found.setdefault(image, partition) != partition:
                raise DataError(f"{place}: {image} is in {_SPLITS['train']}, too; take the lists as published")
    return found


def _refuse_crossing(rows: list[Row]) -> None:
    side: dict[str, str] = {}
    for row in rows:
        partition = row.facts.get("partition", "")
        if partition and side.setdefault(row.cells["subject_id"], partition) != partition:
            raise DataError(
                f"{row.place}: subject {row.cells['subject_id']} is in both partitions; take the lists as they were "
                "published, or leave them out of the folder"
            )


DERMACON_IN = DataSet(
    "dermacon_in", DermaconIn, lambda p: {"table": p.folder}, lambda p: {"table": p.folder}, photographs(published)
)

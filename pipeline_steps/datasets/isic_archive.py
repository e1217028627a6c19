"""An export of the ISIC archive by ``isic image download``: each image has its own licence and whom to name.

The header holds what the chosen images have: no column but ``isic_id`` is certain. The class is the finest of
``diagnosis_2`` to ``_5`` (names hold commas), or ``diagnosis`` of older exports; ``diagnosis_1`` names no disease, so
where it stands alone there is no label. Files have the ending that they were stored with; hidden ones are rests of a
broken download. Images that the archive calls synthetic are quarantined.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, WithAttributes, photographs
from pipeline_steps.datasets.downloads import Cells, find_table, in_words, table_rows
from pipeline_steps.records.licences import Licence, Redistribute
from pipeline_steps.records.unknown import is_unknown

_SKIN = "fitzpatrick_skin_type"
_RIGHTS: dict[str, Redistribute] = {"cc-0": "yes", "cc-by": "yes", "cc-by-nc": "conditions"}
_MALIGNANCY = {"benign": "benign", "malignant": "malignant"}
_OF_CENTRE = "it tells the centre or its ways, hence the mix of diagnoses"
_OF_MELANOMA = "melanomas alone have it"


class IsicArchive(WithAttributes):
    """``ingest.sources.isic_archive``. ``label``: the finest diagnosis, or benign and malignant."""

    revealing: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("attribution", "copyright_license"), _OF_CENTRE),
        **dict.fromkeys(("diagnosis_confirm_type", "concomitant_biopsy"), _OF_CENTRE),
        **dict.fromkeys(("mel_thick_mm", "mel_ulcer", "mel_mitotic_index", "mel_class", "mel_type"), _OF_MELANOMA),
        **dict.fromkeys(("melanocytic", "nevus_type", "benign_malignant", "diagnosis"), "it is of the diagnosis"),
        **{f"diagnosis_{n}": "it is of the diagnosis" for n in range(1, 6)},
    }
    folder: Path
    label: Literal["diagnosis", "malignancy"]


def published(p: IsicArchive) -> Published:
    """The rows of ``metadata.csv``.

    Raises:
        DataError: it is not there, or says no licence or no diagnosis at all.
    """
    csv = find_table(p.folder, ["metadata.csv"])
    mapped = Mapped(
        csv=csv,
        images=p.folder,
        masks=p.folder,
        file="{isic_id}",
        mask="",
        image_id="isic_id",
        condition="condition",
        skin_type=_SKIN,
        skin_scale="fitzpatrick",
        skin_assigner="contributing centre",
        patient_id="patient_id",
        lesion_id="lesion_id",
        attributes=p.attributes,
    )
    rows = [_row(p, place, cells) for place, cells in table_rows(csv, ["isic_id"])]
    undecided = sum(_first(row.cells).casefold() == "indeterminate" for row in rows)
    counts = {"indeterminate": undecided, "licence_unknown": sum(row.licence.redistribute == "ask" for row in rows)}
    return Published(mapped, rows, anywhere=True, counts=counts)


def _row(p: IsicArchive, place: str, cells: Cells) -> Row:
    label = _malignancy(place, cells) if p.label == "malignancy" else _finest(cells)
    whole = {name: cells.get(name, "") for name in (_SKIN, "patient_id", "lesion_id", *p.attributes)}
    synthetic = cells.get("image_manipulation", "").casefold() == "synthetic"
    unusable = "the archive calls it synthetic" if synthetic else ""
    return Row({**cells, **whole, "condition": label}, place, _licence(cells), unusable=unusable)


def _first(cells: Mapping[str, str]) -> str:
    return cells.get("diagnosis_1", cells.get("benign_malignant", ""))


def _malignancy(place: str, cells: Cells) -> str:
    """Benign or malignant; nothing where that is undecided, as ``indeterminate/benign`` of older exports is."""
    said = _first(cells)
    if said.casefold().startswith("indeterminate"):
        return ""
    return in_words(place, "diagnosis_1" if "diagnosis_1" in cells else "benign_malignant", said, _MALIGNANCY)


def _finest(cells: Cells) -> str:
    levels = [cells.get(f"diagnosis_{n}", "") for n in (5, 4, 3, 2)]
    return next((cell for cell in (*levels, cells.get("diagnosis", "")) if not is_unknown(cell)), "")


def _licence(cells: Cells) -> Licence:
    said = cells.get("copyright_license", "")
    return Licence(said, _RIGHTS.get(said.casefold(), "ask"), cells.get("attribution", ""))


ISIC_ARCHIVE = DataSet(
    "isic_archive", IsicArchive, lambda p: {"table": p.folder}, lambda p: {"table": p.folder}, photographs(published)
)

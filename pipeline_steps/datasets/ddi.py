"""DDI, Diverse Dermatology Images (Daneshjou et al. 2022): 656 clinical photographs in groups of skin types.

``skin_tone`` is 12, 34 or 56: a group of two types, never one of them. The set has no ids, though 656 images show 570
patients: views of one patient may be parted, so it is for testing above all, and ``metrics/ingest.json`` counts images
without a group. The first column has no name; ``malignant`` is True or TRUE (older releases: 1); images lie beside the
table or in ``images``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, WithAttributes, photographs
from pipeline_steps.datasets.downloads import Cells, find_table, in_words, table_rows
from pipeline_steps.records.licences import Licence
from pipeline_steps.stage.errors import DataError

LICENCE = Licence("Stanford University Dataset Research Use Agreement", "no", "Daneshjou et al. 2022, DDI")
_GROUPS = {"12": "12", "34": "34", "56": "56", "12.0": "12", "34.0": "34", "56.0": "56"}
_MALIGNANT = {"true": "malignant", "1": "malignant", "false": "benign", "0": "benign"}
_OLD_NAME = "malignancy(malig=1)"
_DIAGNOSES = ("disease", "malignant", "malignancy(malig=1)")


class Ddi(WithAttributes):
    """``ingest.sources.ddi``. ``label``: what the condition is, one of 78 diseases, or malignant and benign."""

    revealing: ClassVar[Mapping[str, str]] = dict.fromkeys(_DIAGNOSES, "it is of the diagnosis")
    folder: Path
    label: Literal["disease", "malignant"]


def published(p: Ddi) -> Published:
    """The rows of ``ddi_metadata.csv``.

    Raises:
        DataError: it is not there, or is not as published.
    """
    csv = find_table(p.folder, ["ddi_metadata.csv", "metadata.csv"])
    mapped = Mapped(
        csv=csv,
        images=p.folder,
        masks=p.folder,
        file="{DDI_file}",
        mask="",
        image_id="DDI_file",
        condition="condition",
        skin_type="skin_tone",
        skin_scale="fitzpatrick",
        skin_assigner="clinician",
        patient_id="",
        lesion_id="",
        attributes=p.attributes,
    )
    rows = [_row(p, place, cells) for place, cells in table_rows(csv, ["DDI_ID", "DDI_file", "skin_tone", "disease"])]
    return Published(mapped, rows, anywhere=True)


def _row(p: Ddi, place: str, cells: Cells) -> Row:
    number = "".join(c for c in cells["DDI_file"].rpartition(".")[0] if c.isdecimal())
    if number.lstrip("0") != cells["DDI_ID"].removesuffix(".0").lstrip("0"):
        raise DataError(
            f"{place}: DDI_ID {cells['DDI_ID']!r} and DDI_file {cells['DDI_file']!r} are of two images: rows were "
            "shifted; take the table as it was published"
        )
    in_words(place, "skin_tone", cells["skin_tone"], _GROUPS)  # 1 to 6 would be read as types
    malignant = cells.get("malignant", cells.get(_OLD_NAME, ""))
    binary = in_words(place, "malignant", malignant, _MALIGNANT)
    said = binary if p.label == "malignant" else cells["disease"].replace("-", " ")
    return Row({**cells, "condition": said}, place, LICENCE)


DDI = DataSet("ddi", Ddi, lambda p: {"table": p.folder}, lambda p: {"table": p.folder}, photographs(published))

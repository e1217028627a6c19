"""PAD-UFES-20 (Pacheco et al. 2020): phone photographs, several a patient and lesion, RGBA PNG.

Lesions are numbered within patients, and many numbers are used by several patients: the key is both (``lesion_keys``).
Skin type is blank, with the rest of the questionnaire, for benign diagnoses alone: see ``missing_facts`` of ``audit``.
The skin-type column is spelled ``fitspatrick`` and holds blanks and "2.0". The archive unpacks to ``imgs_part_1`` to
``_3``, once or twice nested. ``{id}_mask.png``, where present, is a colour-mapped RGBA image: lesion where luma is
above 127.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, WithAttributes, photographs
from pipeline_steps.datasets.downloads import find_table, in_words, table_rows
from pipeline_steps.records.licences import Licence

LICENCE = Licence("CC-BY-4.0", "yes", "Pacheco et al. 2020, PAD-UFES-20")
CONDITIONS = {
    "bcc": "basal cell carcinoma",
    "scc": "squamous cell carcinoma",
    "ack": "actinic keratosis",
    "sek": "seborrheic keratosis",
    "nev": "nevus",
    "mel": "melanoma",
}
_BRAZIL = {"BRASIL": "BRAZIL"}  # one country under two spellings


class PadUfes20(WithAttributes):
    """``ingest.sources.pad_ufes_20``. ``folder``: with ``metadata.csv`` and the images, however deep."""

    revealing: ClassVar[Mapping[str, str]] = {
        "diagnostic": "it is the diagnosis",
        "biopsed": "every cancer was, and few of the others",
    }
    folder: Path


def published(p: PadUfes20) -> Published:
    """The rows of ``metadata.csv``.

    Raises:
        DataError: there is no such table, or an unknown diagnosis in it.
    """
    csv = find_table(p.folder, ["metadata.csv"])
    mapped = Mapped(
        csv=csv,
        images=p.folder,
        masks=p.folder,
        file="{img_id}",
        mask="{stem}_mask.png",
        image_id="img_id",
        condition="condition",
        skin_type="fitspatrick",
        skin_scale="fitzpatrick",
        skin_assigner="clinician",
        patient_id="patient_id",
        lesion_id="lesion_id",
        attributes=p.attributes,
    )
    rows = []
    for place, cells in table_rows(csv, ["img_id", "diagnostic"]):
        cells["condition"] = in_words(place, "diagnostic", cells["diagnostic"], CONDITIONS)
        rows.append(Row({c: _BRAZIL.get(text, text) for c, text in cells.items()}, place, LICENCE))
    return Published(mapped, rows, anywhere=True)


PAD_UFES_20 = DataSet(
    "pad_ufes_20",
    PadUfes20,
    lambda p: {"table": p.folder},
    lambda p: {"table": p.folder / "metadata.csv"},
    photographs(published),
)

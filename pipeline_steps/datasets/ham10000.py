"""HAM10000 (Tschandl et al. 2018): 10,015 dermoscopic images of 7,470 lesions, without skin types.

The table is a file without an ending (comma), ``.tab`` (tab, quoted) or ``.csv``, with ``dataset`` (the camera) or
without; ages are 80 or 80.0, and 0 is no age. Images lie in two parts; mirrors hold a part twice. ``dataset`` goes with
the diagnosis, so it may divide people, and teaches no disease. Its test set (ISIC 2018, task 3) is another download.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pipeline_steps.datasets.data_set import DataSet, Mapped, Published, Row, WithAttributes, photographs
from pipeline_steps.datasets.downloads import find_table, in_words, table_rows
from pipeline_steps.records.licences import Licence

LICENCE = Licence("CC-BY-NC-4.0", "conditions", "Tschandl et al. 2018, HAM10000")
CONDITIONS = {
    "nv": "melanocytic nevus",
    "mel": "melanoma",
    "bkl": "benign keratosis",
    "bcc": "basal cell carcinoma",
    "akiec": "actinic keratosis or intraepithelial carcinoma",
    "vasc": "vascular lesion",
    "df": "dermatofibroma",
}


class Ham10000(WithAttributes):
    """``ingest.sources.ham10000``. ``folder``: with the table, both parts of the images, perhaps the segmentations."""

    revealing: ClassVar[Mapping[str, str]] = {"dx": "it is the diagnosis", "dx_type": "cancers are confirmed otherwise"}
    folder: Path


def published(p: Ham10000) -> Published:
    """The rows of the metadata.

    Raises:
        DataError: they are not there, or hold an unknown diagnosis.
    """
    csv = find_table(p.folder, ["HAM10000_metadata", "HAM10000_metadata.tab", "HAM10000_metadata.csv"])
    mapped = Mapped(
        csv=csv,
        images=p.folder,
        masks=p.folder,
        file="{image_id}.jpg",
        mask="{image_id}_segmentation.png",
        image_id="image_id",
        condition="condition",
        skin_type="",
        skin_scale="fitzpatrick",
        skin_assigner="",
        patient_id="",
        lesion_id="lesion_id",
        attributes=p.attributes,
    )
    rows, no_age = [], 0
    for place, cells in table_rows(csv, ["image_id", "lesion_id", "dx"]):
        cells["condition"] = in_words(place, "dx", cells["dx"], CONDITIONS)
        age = cells.get("age", "").removesuffix(".0")
        no_age += age == "0"
        rows.append(Row(cells | ({"age": "" if age == "0" else age} if "age" in cells else {}), place, LICENCE))
    return Published(mapped, rows, anywhere=True, counts={"ages_of_0": no_age})


HAM10000 = DataSet(
    "ham10000", Ham10000, lambda p: {"table": p.folder}, lambda p: {"table": p.folder}, photographs(published)
)

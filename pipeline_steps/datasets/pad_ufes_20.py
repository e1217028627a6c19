"""PAD-UFES-20 (Pacheco et al. 2020): phone photographs, several a patient and lesion, RGBA PNG. CC BY 4.0.

Lesions are numbered within patients, and many numbers are used by several patients: the key is both (``lesion_keys``).
Skin type is blank, with the rest of the questionnaire, for benign diagnoses alone: see ``missing_facts`` of ``audit``.
The skin-type column is spelled ``fitspatrick`` and holds blanks and "2.0". ``masks/{id}_mask.png``, where
present, is a colour-mapped RGBA image: lesion where luma is above 127.
"""

from pathlib import Path

from pipeline_steps.datasets.source import Source
from pipeline_steps.datasets.table import Decoding, read_mapped
from pipeline_steps.parameters.ingest import Mapped

CONDITIONS = {
    "bcc": "basal cell carcinoma",
    "scc": "squamous cell carcinoma",
    "ack": "actinic keratosis",
    "sek": "seborrheic keratosis",
    "nev": "nevus",
    "mel": "melanoma",
}


def read(folder: Path, decoding: Decoding) -> Source:
    """Read the folder with ``metadata.csv``, ``images/`` and, where there, ``masks/``.

    Raises:
        DataError: as ``read_mapped``.
    """
    mapped = Mapped(
        csv=folder / "metadata.csv",
        images=folder / "images",
        masks=folder / "masks",
        file="{img_id}",
        mask="{stem}_mask.png",
        image_id="img_id",
        condition="diagnostic",
        skin_type="fitspatrick",
        skin_scale="fitzpatrick",
        skin_assigner="clinician",
        patient_id="patient_id",
        lesion_id="lesion_id",
        attributes=("gender", "region", "elevation", "itch", "grew", "hurt", "changed", "bleed"),
    )
    return read_mapped(mapped, decoding, CONDITIONS)

"""What columns are called, in the languages of those who fill them in: a table, a role a row."""

import re
import unicodedata
from typing import NamedTuple


class Called(NamedTuple):
    """``whole``: what a column of a role is called; ``part``: words of which a name may hold one, if none is called so.

    ``never``: words that tell it is something else.
    """

    whole: tuple[str, ...]
    part: tuple[str, ...]
    never: tuple[str, ...] = ()


_NOTES = ("date", "datum", "confidence", "confirm", "source", "comment", "note", "notes", "url", "partition", "split")
ROLES: dict[str, Called] = {
    "condition": Called(
        (
            "label", "labels", "condition", "conditions", "diagnosis", "diagnostic", "diagnose", "disease", "dx",
            "diag",
            "disease_label", "class", "class_name", "target", "skin_condition", "hauptdiagnose", "krankheit",
            "befund",
            "diagnostico", "diagnostique", "maladie", "enfermedad", "patologia", "pathologie", "diagnosi", "klasse",
            "clase", "classe",
        ),
        ("diagnosis", "diagnose", "diagnostic", "diagnostico", "disease", "label", "condition", "conditions", "dx"),
        (*_NOTES, "type", "types", "level"),
    ),
    "skin type": Called(
        (
            "fitzpatrick_scale", "fitzpatrick_skin_type", "fitzpatrick", "fitspatrick", "fitzpatrick_type", "fst",
            "skin_type", "skintype", "hauttyp", "fitzpatrick_typ", "hauttyp_fitzpatrick", "phototype", "phototyp",
            "fototipo", "tipo_de_piel", "type_de_peau", "tipo_de_pele",
        ),
        ("fitzpatrick", "fitspatrick", "fst", "hauttyp", "phototype", "fototipo", "skintype"),
        (*_NOTES, "monk", "mst"),
    ),
    "patient": Called(
        (
            "patient_id", "patient", "patientid", "patienten_id", "patient_nr", "patienten_nr", "patientennummer",
            "patientennr", "pat_id", "pat_nr", "pat", "patient_no", "patient_number", "subject_id", "subject",
            "person_id", "proband", "probanden_id", "paciente", "id_paciente", "paciente_id", "paziente",
        ),
        ("patient", "patienten", "pat", "subject", "proband", "paciente"),
        (*_NOTES, "age", "sex", "history"),
    ),
    "lesion": Called(
        ("lesion_id", "lesion", "lesionid", "lesion_nr", "lasion", "lasion_id", "lasions_id", "lasions_nr"),
        (),
    ),
    "mask": Called(("mask", "mask_file", "maske", "segmentation", "mask_path", "mascara"), ()),
}  # fmt: skip
ATTRIBUTES = frozenset(
    {
        "sex", "gender", "geschlecht", "sexo", "sexe", "genero", "age", "alter", "age_approx", "age_group", "edad",
        "idade", "altersgruppe", "region", "site", "localization", "localisation", "lokalisation", "location",
        "body_part",
        "anatom_site_general", "korperstelle", "korperregion", "ethnicity", "country", "land", "clinic", "klinik",
        "camera", "kamera", "device", "gerat", "elevation", "itch", "grew", "hurt", "changed", "bleed",
    }
)  # fmt: skip


def plain_name(column: str) -> str:
    """A column's name in small plain letters, words joined by ``_``: ``PatientID`` and ``Patienten-Nr.`` alike."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    letters = unicodedata.normalize("NFKD", parted.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", letters).strip("_")


def rank(column: str, role: str) -> int | None:
    """How well a column's name fits a role: 0 it is called so, 1 its name holds a word of it; None not at all."""
    name, called = plain_name(column), ROLES[role]
    words = {*name.split("_")}
    if name in called.whole:
        return 0
    return 1 if words & {*called.part} and not words & {*called.never} else None

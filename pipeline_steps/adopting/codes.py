"""From labels as tables write them to names that a text-to-image model has read: ``nev`` is no prompt.

Codes that mean one thing in all published sets stand in a table; any other short code must be told.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pipeline_steps.records.unknown import is_unknown, plain
from pipeline_steps.stage.errors import DataError

# HAM10000 (Tschandl et al. 2018), ISIC 2018 and 2019, MILK10k, PAD-UFES-20 (Pacheco et al. 2020), Derm7pt.
CODES = {
    "akiec": "actinic keratosis",
    "ak": "actinic keratosis",
    "ack": "actinic keratosis",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "nevus",
    "nev": "nevus",
    "scc": "squamous cell carcinoma",
    "sccka": "squamous cell carcinoma",
    "sek": "seborrheic keratosis",
    "sk": "seborrheic keratosis",
    "vasc": "vascular lesion",
    "dfsp": "dermatofibrosarcoma protuberans",
}
# Names that people write in other languages; the text encoders of Stable Diffusion have read English.
NAMES = {
    "akne": "acne",
    "aktinische keratose": "actinic keratosis",
    "basaliom": "basal cell carcinoma",
    "basalzellkarzinom": "basal cell carcinoma",
    "carcinoma basocelular": "basal cell carcinoma",
    "carcinome basocellulaire": "basal cell carcinoma",
    "dermatofibrom": "dermatofibroma",
    "ekzem": "eczema",
    "eczéma": "eczema",
    "herpes zoster": "herpes zoster",
    "melanom": "melanoma",
    "malignes melanom": "melanoma",
    "mélanome": "melanoma",
    "melanoma maligno": "melanoma",
    "muttermal": "nevus",
    "naevus": "nevus",
    "nävus": "nevus",
    "nävuszellnävus": "nevus",
    "nevo": "nevus",
    "nævus": "nevus",
    "neurodermitis": "atopic dermatitis",
    "plattenepithelkarzinom": "squamous cell carcinoma",
    "schuppenflechte": "psoriasis",
    "psoriasis vulgaris": "psoriasis",
    "seborrhoische keratose": "seborrheic keratosis",
    "seborrheische keratose": "seborrheic keratosis",
    "spinaliom": "squamous cell carcinoma",
    "urtikaria": "urticaria",
    "warze": "wart",
}
# Of a condition's name, in several languages: by them a column of labels is told from others.
_STEMS = re.compile(
    r"karzinom|carcinom|keratos|melanom|n(?:e|ae|ä)vus|nevi|psoria|ekzem|eczema|dermati|acne|akne|rosacea|lichen|"
    r"lupus|tinea|wart|vitiligo|urti[ck]aria|fibrom|angiom|folliculit|prurigo|scabies|impetigo|herpes|lentigo|lymphom"
)
_SHORT_NAMES = frozenset(
    {"acne", "wart", "warts", "mole", "moles", "scar", "scars", "cyst", "cysts", "burn", "burns", "boil", "lice",
     "corn", "rash", "bite", "bites", "tinea", "lupus", "nevus", "nevi", "ulcer", "hives", "keloid"}
)  # fmt: skip
_MOST = 6  # letters of a code in capitals, or with digits; of one in small letters: 4


class Naming(NamedTuple):
    """The name of each label, and how those came by it that are not their own."""

    names: dict[str, str]
    why: dict[str, str]


def is_code(label: str) -> bool:
    """Whether a label is an abbreviation or a number, which says nothing to a model of text."""
    text = plain(label)
    if " " in text or text in _SHORT_NAMES or not text.isascii():
        return False
    coded = label.strip().isupper() or any(c.isdigit() or c == "_" for c in text)
    return len(text) <= (_MOST if coded else 4) or text.isdecimal()


def is_condition(label: str) -> bool:
    """Whether a label is a known code, or holds a word of a skin condition's name."""
    text = plain(label)
    return text in CODES or text in NAMES or bool(_STEMS.search(text))


def named(labels: Iterable[str], said: Mapping[str, str]) -> Naming:
    """The names of all labels but blank ones; ``said``: what people said of some.

    Raises:
        DataError: some are codes that nobody has explained.
    """
    names: dict[str, str] = {}
    why: dict[str, str] = {}
    told = {plain(code): plain(name) for code, name in said.items()}
    unknown: dict[str, None] = {}
    for label in labels:
        text = plain(label)
        if is_unknown(label):
            continue
        if text in told:
            names[label], why[label] = told[text], "by --codes"
        elif text in CODES:
            names[label], why[label] = CODES[text], "a code of published sets"
        elif text in NAMES:
            names[label] = NAMES[text]
            why.update({} if NAMES[text] == text else {label: "in English, as the models were taught"})
        elif is_code(label):
            unknown[text] = None
        else:
            names[label] = re.sub(r"[_\-]+", " ", text) if " " not in text else text
    if strange := [code for code in told if code not in {plain(label) for label in (*names, *unknown)}]:
        raise DataError(f"--codes explains {', '.join(strange)}, which no label is; the labels are {_listed(labels)}")
    if unknown:
        example = ",".join(f"{code}=NAME" for code in unknown)
        raise DataError(
            f"labels {', '.join(map(repr, unknown))} are codes, and a model of text has read names; known are "
            f"{_known(names)}: say what they mean by --codes '{example}'"
        )
    return Naming(names, why)


def parsed(text: str) -> dict[str, str]:
    """``nev=nevus,mel=melanoma`` as a mapping.

    Raises:
        DataError: a part has no ``=``, or nothing on a side of it.
    """
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    if wrong := [code for code, sign, name in parts if not (sign and code.strip() and name.strip())]:
        raise DataError(f"--codes: {', '.join(wrong)} is no pair; write them as nev=nevus,mel=melanoma")
    return {code.strip(): name.strip() for code, _, name in parts}


def _known(names: Mapping[str, str]) -> str:
    return ", ".join(sorted({f"{label} ({name})" for label, name in names.items()})[:_MOST]) or "none of them"


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(list(dict.fromkeys(plain(label) for label in labels if not is_unknown(label)))[:12])

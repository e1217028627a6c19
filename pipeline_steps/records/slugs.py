"""A condition as the name of a file, a folder or a token: bounded, plain, and another one for every other label."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from pipeline_steps.stage.errors import DataError

LONGEST = 64
_PLAIN = re.compile(r"[a-z0-9]+(?: [a-z0-9]+)*")
# Names of devices on Windows, and the folder of a whole denoiser beside those of conditions' adapters.
_TAKEN = re.compile(r"con|prn|aux|nul|com\d|lpt\d|denoiser")
_DIGITS = 16  # of SHA-256, in hexadecimal: 64 bits


def slug(label: str) -> str:
    """At most 64 characters of ``a-z0-9_-`` that no other label gets, whatever its case, length or alphabet.

    Plain lower-case words with single blanks keep their letters, with ``_`` for the blanks. Any other label gets what
    letters it has, a dash, which plain ones never have, and the start of its SHA-256: names that differ in case alone,
    or in blank, underscore and dash, stay apart, also in file systems that ignore case.
    """
    if _PLAIN.fullmatch(label) and len(label) <= LONGEST and not _TAKEN.fullmatch(label):
        return label.replace(" ", "_")
    letters = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "_", letters)[: LONGEST - _DIGITS - 1].strip("_") or "label"
    # Half a surrogate pair, which a damaged table may hold, has no UTF-8 of its own.
    return f"{stem}-{hashlib.sha256(label.encode('utf-8', 'surrogatepass')).hexdigest()[:_DIGITS]}"


def placeholder(label: str) -> str:
    """The token that stands for a condition in prompts, such as ``<basal-cell-carcinoma>``.

    Made of the slug with ``_`` and ``-`` exchanged, so it is as distinct as that.
    """
    return f"<{slug(label).translate(str.maketrans('_-', '-_'))}>"


def require_distinct(labels: Iterable[str]) -> None:
    """Whether every label has a name of its own.

    Raises:
        DataError: a label has nothing to be named by, or two have one name.
    """
    owner: dict[str, str] = {}
    for label in labels:
        if not label.strip():
            raise DataError(f"subset.conditions names {label!r}, which is blank; name the conditions as the labels do")
        if owner.setdefault(slug(label), label) != label:
            raise DataError(
                f"subset.conditions names {owner[slug(label)]!r} and {label!r}, which would share the file name "
                f"{slug(label)}; rename one of them in the labels"
            )

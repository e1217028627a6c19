"""The words by which tables say that a fact is not known: one list for skin types, ids, labels and annotations."""

import unicodedata

UNKNOWN_WORDS = frozenset(
    {
        "", "-", "--", "\u2013", "\u2014", "?", ".", "nan", "<na>", "#n/a", "na", "n/a", "n.a.", "none", "null", "nil",
        "unknown", "unk", "undefined", "unspecified", "not specified", "not available", "not known", "not applicable",
        "not recorded", "not reported", "not stated", "not provided", "missing", "no data", "none_identified",
        "none_selected", "none identified", "none selected", "-1", "-1.0",
    }
)  # fmt: skip


def is_unknown(text: str) -> bool:
    """Whether a cell says that its fact is not known, whatever its case, its width and the blanks around and in it."""
    return plain(text) in UNKNOWN_WORDS


def plain(text: str) -> str:
    """A cell in small letters, one blank between words; Unicode's other forms of letters and blanks as plain ones."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())

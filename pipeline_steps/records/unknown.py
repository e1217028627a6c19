"""The words by which tables say that a fact is not known: one list for skin types, ids, labels and annotations."""

UNKNOWN_WORDS = frozenset(
    {
        "", "-", "--", "?", ".", "nan", "<na>", "#n/a", "na", "n/a", "n.a.", "none", "null", "nil", "unknown", "unk",
        "undefined", "unspecified", "not specified", "not available", "not known", "not applicable", "not recorded",
        "missing", "no data", "none_identified", "none_selected", "none identified", "none selected", "-1", "-1.0",
    }
)  # fmt: skip


def is_unknown(text: str) -> bool:
    """Whether a cell says that its fact is not known, whatever its case and the blanks around it."""
    return text.strip().casefold() in UNKNOWN_WORDS

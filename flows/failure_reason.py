"""The reasons of failed stages: each writes its own to the file that EQUIDERM_REASON names, as DVC reports none."""

from pathlib import Path

REASON = "EQUIDERM_REASON"
_WHOLE = 4  # lines of a reason that are repeated; of a longer one the first and the last


def reasons(file: Path) -> list[str]:
    """The reasons in ``file``, each once, and shortened: the whole text was printed where it happened."""
    try:
        found = file.read_text("utf-8", "replace").split("\0")
    except FileNotFoundError:
        return []
    return [_shortened(one.splitlines()) for one in dict.fromkeys(found) if one.strip()]


def _shortened(lines: list[str]) -> str:
    return "\n".join(lines if len(lines) <= _WHOLE else [lines[0], "  … as above …", lines[-1]])

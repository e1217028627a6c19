"""The untracked logs that runs leave in a clone: a line of JSON each."""

import json
from pathlib import Path
from typing import Any

STAGE_LOG = Path("runs/stages.jsonl")


def rows(log: Path) -> list[dict[str, Any]]:
    """The lines of a log; one that a kill cut short is left out, as an estimate can do without it."""
    found = []
    for line in log.read_text("utf-8").splitlines() if log.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found

"""How long stages took in this clone: an untracked log, for estimates alone."""

import json
from pathlib import Path

LOG = Path("runs/flow.jsonl")


def record_duration(stage: str, outcome: str, seconds: float) -> None:
    """Append one stage's outcome and wall seconds."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        log.write(json.dumps({"stage": stage, "outcome": outcome, "seconds": round(seconds, 2)}) + "\n")


class Estimates:
    """Seconds that stages took when they last ran to their end."""

    def __init__(self) -> None:
        rows = [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []
        ran = [row for row in rows if row["outcome"] == "Completed"]
        self._own = {row["stage"]: row["seconds"] for row in ran}
        self._group = {row["stage"].split("@")[0]: row["seconds"] for row in ran}

    def of(self, stage: str) -> str:
        """Whole seconds of the last run of ``stage``, else of any cell of its group, else ``?``."""
        seconds = self._own.get(stage, self._group.get(stage.split("@", maxsplit=1)[0]))
        return "?" if seconds is None else f"{seconds:.0f}"

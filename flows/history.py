"""How long stages took in this clone: an untracked log, for estimates alone."""

import json
from pathlib import Path

LOG = Path("runs/flow.jsonl")


def remember(stage: str, outcome: str, seconds: float) -> None:
    """Append one stage's outcome and wall seconds."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        log.write(json.dumps({"stage": stage, "outcome": outcome, "seconds": round(seconds, 2)}) + "\n")


def estimate(stage: str) -> str:
    """Seconds of the last completed run of ``stage``, else of any cell of its group, else ``?``."""
    if not LOG.exists():
        return "?"
    rows = [json.loads(line) for line in LOG.read_text().splitlines()]
    ran = [row for row in rows if row["outcome"] == "Completed"]
    own = [row for row in ran if row["stage"] == stage]
    alike = own or [row for row in ran if row["stage"].split("@")[0] == stage.split("@", maxsplit=1)[0]]
    return f"{alike[-1]['seconds']:.0f}" if alike else "?"

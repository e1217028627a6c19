"""How long stages took in this clone, and how long a run may still take: estimates from two untracked logs.

The flow appends to ``runs/flow.jsonl``. Each stage itself appends to ``runs/stages.jsonl``, also under ``dvc repro``;
that log knows no cells, so it serves for stages that the flow has never run.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.plan import Stage
from flows.run_logs import STAGE_LOG, rows

LOG = Path("runs/flow.jsonl")
_RAN = "Completed"
_START_SECONDS = 3.0  # what DVC takes around a stage, which the stage's own log does not count


def record_duration(stage: str, outcome: str, seconds: float) -> None:
    """Append one stage's outcome and wall seconds."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        log.write(json.dumps({"stage": stage, "outcome": outcome, "seconds": round(seconds, 2)}) + "\n")


def group_of(stage: str) -> str:
    """The stage's name without its cell: ``generate`` of ``generate@majority_to_minority-iii-0``."""
    return stage.split("@", maxsplit=1)[0]


class Estimates:
    """Seconds that stages took when they last ran to their end."""

    def __init__(self) -> None:
        ran = [row for row in rows(LOG) if row.get("outcome") == _RAN]
        own = [row for row in rows(STAGE_LOG) if row.get("status") == "completed"]
        self._stages = {row["stage"]: float(row["seconds"]) for row in ran}
        self._groups = {row["stage"]: float(row["wall_s"]) + _START_SECONDS for row in own}
        self._groups |= {group_of(row["stage"]): float(row["seconds"]) for row in ran}

    def add(self, stage: str, seconds: float) -> None:
        """Take note of a stage that has just run: other cells of its group may take as long."""
        self._stages[stage] = self._groups[group_of(stage)] = seconds

    def seconds(self, stage: str) -> float | None:
        """Seconds of the last run of ``stage``, else of any cell of its group; None where neither has run."""
        return self._stages.get(stage, self._groups.get(group_of(stage)))

    def text(self, stage: str) -> str:
        """The same in whole seconds, ``?`` where nothing is known."""
        seconds = self.seconds(stage)
        return "?" if seconds is None else f"{seconds:.0f}"


@dataclass(frozen=True)
class Remaining:
    """Seconds that a run may still take, and how many of its stages are not in that, as none of their kind has run."""

    seconds: float
    unknown: int


def remaining(
    plan: Sequence[Stage], left: Collection[str], elapsed: Mapping[str, float], cores: int, estimates: Estimates
) -> Remaining:
    """Estimate what the stages ``left`` still take: their longest chain, or their work shared out to all cores.

    ``elapsed``: seconds that those that run now have been running.
    """
    ends: dict[str, float] = {}
    work, unknown = 0.0, 0
    for stage in plan:
        known = estimates.seconds(stage.name) if stage.name in left else 0.0
        unknown += known is None
        seconds = max(0.0, (known or 0.0) - elapsed.get(stage.name, 0.0))
        ends[stage.name] = seconds + max((ends.get(need, 0.0) for need in stage.needs), default=0.0)
        work += seconds * min(stage.cores, cores)
    return Remaining(max(max(ends.values(), default=0.0), work / cores), unknown)

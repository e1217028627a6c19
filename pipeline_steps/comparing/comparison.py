"""The whole comparison: what was changed, what it did, and what could not be looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from typing import Any

from pipeline_steps.comparing.changes import Changes, changes
from pipeline_steps.comparing.difference import IMAGES, Difference, Pair
from pipeline_steps.comparing.differences import differences
from pipeline_steps.comparing.experiments import Experiment, how_to_bring, open_experiment
from pipeline_steps.measures.measure import Measure
from pipeline_steps.records.populations import names, noun
from pipeline_steps.reporting.measures import BOARD_CLASSIFIERS, BOARD_IMAGES

MEASURES: Mapping[str, Measure[Any]] = {m.name: m for m in (*BOARD_IMAGES, *BOARD_CLASSIFIERS)}


@dataclass(frozen=True)
class Comparison:
    """``differences``: of every contender that both have, on every partition. ``absent``: outputs not at hand."""

    a: Experiment
    b: Experiment
    changes: Changes
    differences: Sequence[Difference]
    absent: Mapping[str, tuple[list[str], str]]
    pair: Pair

    @property
    def partition(self) -> str:
        """The test partition to read first: the holdout where there is one."""
        there = {d.partition for d in self.differences}
        return next((p for p in ("holdout", "test") if p in there), "")

    @cached_property
    def noun(self) -> str:
        """What a level is."""
        return noun(self.pair.column) if self.pair.column else "level"

    def named(self, d: Difference) -> str:
        """What a difference is of, as people write it."""
        if d.quantity == "all":
            return "all"
        if measure := MEASURES.get(d.quantity):
            return measure.heading.removeprefix("accuracy, ")
        return names(self.pair.column, [d.quantity])[d.quantity]

    def partition_name(self, partition: str) -> str:
        """What was measured there, and in which unit."""
        return partition.capitalize() if partition == IMAGES else f"Accuracy (Dice of segmenters) in %, {partition}"

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values; null where nothing can be said."""
        rows = [
            {
                **{part: getattr(d.contender, part) for part in ("scenario", "architecture", "arm", "augmenter")},
                **{
                    part: _known(getattr(d, part))
                    for part in ("partition", "quantity", "a", "b", "mean", "low", "high")
                },
                "verdict": d.verdict,
                "how": d.how,
                "doubt": d.doubt,
            }
            for d in self.differences
        ]
        absent = {name: {"outputs": found, "remedy": how} for name, (found, how) in self.absent.items()}
        ends = {side: {"name": one.name, "commit": one.revision} for side, one in (("a", self.a), ("b", self.b))}
        return {**ends, "changes": self.changes.as_json(), "differences": rows, "not_at_hand": absent}


def compare(a: str, b: str) -> Comparison:
    """Two experiments by name.

    Raises:
        DataError: a name means none.
    """
    one, other = open_experiment(a), open_experiment(b)
    pair = Pair(one, other)
    changed, found = changes(one, other), differences(pair)
    absent = {e.title: (list(e.absent), how_to_bring(e)) for e in (one, other) if e.absent}
    return Comparison(one, other, changed, found, absent, pair)


def value(d: Difference, number: float, *, sign: bool = False) -> str:
    """A value, or a difference with its sign, in the unit of its measure; "" of none."""
    if isnan(number):
        return ""
    measure = MEASURES.get(d.quantity) if d.partition == IMAGES else None
    shown, digits = (measure.in_unit(number), measure.digits) if measure else (number * 100, 1)
    return f"{shown:{'+' if sign else ''}.{digits}f}"


def interval(d: Difference) -> str:
    """The interval of a difference; "" of none."""
    return f"{value(d, d.low, sign=True)} to {value(d, d.high, sign=True)}" if d.known else ""


def _known(found: Any) -> Any:
    return None if isinstance(found, float) and isnan(found) else found

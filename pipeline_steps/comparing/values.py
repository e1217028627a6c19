"""What an experiment measured, by contender: matched by what a contender is, not by how its cell is called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline_steps.comparing.experiments import Experiment
from pipeline_steps.measures.images.table import DISTANCES
from pipeline_steps.reporting.measures import BOARD_CLASSIFIERS, BOARD_IMAGES, MINORITY
from pipeline_steps.statistics.unpaired import Estimate

ALL, NOTHING = "all", (float("nan"), float("nan"), float("nan"))
BETWEEN = tuple(m.name for m in BOARD_CLASSIFIERS if m.between_levels)  # worst level, gap


@dataclass(frozen=True, order=True)
class Contender:
    """What is compared: an arm of an augmenter in a scenario, or (without an arm) an augmenter's images."""

    scenario: str
    architecture: str
    arm: str
    augmenter: str

    @property
    def key(self) -> str:
        """As ``metrics/summary.json`` calls it."""
        return "-".join(part for part in (self.scenario, self.architecture, self.arm, self.augmenter) if part)


Cells = dict[Contender, dict[int, str]]  # the cell's key by draw


def classifiers(one: Experiment) -> Cells:
    """All trained classifiers of an experiment."""
    return _by_contender(one.cells.get("train_classifier", {}))


def segmenters(one: Experiment) -> Cells:
    """All trained segmenters."""
    return _by_contender(one.cells.get("train_segmenter", {}))


def augmenters(one: Experiment) -> Cells:
    """All sets of generated images that are measured."""
    made = one.cells.get("generate", {})
    return _by_contender({key: {"augmenter": made[key]["augmenter"], **cell} for key, cell in _screened(one)})


def _screened(one: Experiment) -> list[tuple[str, dict[str, Any]]]:
    return [(key, cell) for key, cell in one.cells.get("screen", {}).items() if key in one.cells.get("generate", {})]


def _by_contender(cells: Mapping[str, Mapping[str, Any]]) -> Cells:
    found: Cells = {}
    for key, cell in cells.items():
        scenario, _, draw = cell["split"].rpartition("-")
        named = (str(cell.get(part, "")) for part in ("architecture", "arm", "augmenter"))
        found.setdefault(Contender(scenario, *named), {})[int(draw)] = key
    return found


def level_values(measured: Mapping[str, Any], minority: Sequence[str]) -> dict[str, Estimate]:
    """The values of one test partition as ``evaluate`` wrote them, each with its interval or NaN.

    Accuracy over all images and by level; what compares levels; ``minority``: over all images of those levels, where
    there are others beside them.
    """
    by_level = measured["by_level"]
    accuracy, n = by_level["accuracy"], by_level["n"]
    found = {ALL: _estimate(measured["accuracy"], measured["accuracy_interval"])}
    few = [level for level in n if level in minority]
    if few and len(few) < len(n):
        right = sum(accuracy[level] * n[level] for level in few)
        found[MINORITY.name] = _estimate(right / sum(n[level] for level in few))
    found |= {name: _estimate(by_level[name]) for name in BETWEEN if by_level.get(name) is not None}
    return found | {level: _estimate(accuracy[level], by_level["accuracy_interval"][level]) for level in n}


def segmenter_values(measured: Mapping[str, Any]) -> dict[str, Estimate]:
    """Dice of one test partition, over all and by level."""
    levels = {level: _estimate(of["dice"], of["dice_interval"]) for level, of in measured["by_level"].items()}
    return {ALL: _estimate(measured["dice"], measured["dice_interval"])} | levels


def image_values(one: Experiment, cell: str) -> dict[str, Estimate]:
    """The leaderboard's measures of a set of generated images; those that are not at hand are left out."""
    scored, screened = one.json(f"metrics/fid/{cell}.json"), one.json(f"metrics/screen/{cell}.json")
    found: dict[str, Estimate] = {}
    if scored:
        far, concepts = scored[ALL], scored["condition_accuracy"]
        found = {m.name: _estimate(far.get(m.name), far.get(f"{m.name}_interval")) for m in DISTANCES if m.leaderboard}
        found["condition_accuracy"] = _estimate(concepts.get("accuracy"), concepts.get("accuracy_interval"))
    if screened and screened["generated"]:
        made = screened["generated"]
        found["memorised"] = _estimate(screened["rejected"].get("memorised", 0) / made)
        found["rejected"] = _estimate(1 - screened["accepted"] / made)
    known = {m.name: found[m.name] for m in BOARD_IMAGES if m.name in found}
    return {name: value for name, value in known.items() if not np.isnan(value[0])}


def image_counts(one: Experiment, cell: str) -> tuple[int, ...]:
    """How many real and generated images distances were taken of; empty where the metrics are not at hand."""
    scored = one.json(f"metrics/fid/{cell}.json")
    return (scored[ALL]["real"], scored[ALL]["generated"]) if scored else ()


def mean_values(one: Experiment, contender: Contender, measure: str) -> dict[str, dict[str, Estimate]]:
    """By partition and level, the means that ``metrics/summary.json`` in git has, without intervals."""
    summary = one.json("metrics/summary.json") or {}
    found = summary.get(measure, {}).get(contender.key, {})
    return {
        partition: {level: _estimate(value) for level, value in levels.items() if value is not None}
        for partition, levels in found.items()
        if isinstance(levels, Mapping)
    }


def _estimate(value: float | None, interval: Sequence[float | None] | None = None) -> Estimate:
    low, high = interval or (None, None)
    return tuple(float("nan") if v is None else float(v) for v in (value, low, high))  # type: ignore[return-value]

"""What the report knows of the study beside its measurements: read once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_steps.reporting.arms import baseline_arms, noise_floors
from pipeline_steps.reporting.results import NO_MODEL, read_json
from pipeline_steps.stage.params import PARAMS_FILE, read_params, read_yaml
from pipeline_steps.statistics.settings import EvaluationParams

METRICS = Path("metrics")
PREDICTIONS = Path("data/predictions")
PARTITIONS = {"test": "test (dark)", "test_light": "test (light)", "holdout": "phantom holdout, all six types"}
Sizes = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Study:
    """``minority``: its skin types; ``conditions``: how many there are; ``sizes``: of partitions, by scenario and draw.

    ``baselines``: arms of real images alone; ``model_free``: augmenters whose arms are baselines, too; ``floors``:
    arms that repeat a baseline under another seed, and which.
    """

    minority: tuple[int, ...]
    conditions: int
    sizes: Sizes
    baselines: frozenset[str]
    model_free: frozenset[str]
    floors: Mapping[str, str]
    evaluation: EvaluationParams


def read_study(splits: Sizes, cells: Mapping[str, Any]) -> Study:
    """From params.yaml, metrics/subset.json, and what is given: metrics/split.json and cells.yaml, parsed."""
    params = read_yaml(PARAMS_FILE)
    return Study(
        minority=tuple(params["subset"]["minority"]),
        conditions=len(read_json(METRICS / "subset.json")["counts"]),
        sizes=splits,
        baselines=baseline_arms(params["arms"]),
        model_free=frozenset(c["augmenter"] for c in cells["generate"].values() if c["base"] == NO_MODEL),
        floors=noise_floors(params["arms"]),
        evaluation=read_params(EvaluationParams, "evaluation"),
    )


def correction_share(sizes: Sizes, scenario: str, partition: str, draws: Iterable[int]) -> float:
    """n_test / n_train of a scenario, mean over ``draws``: what Nadeau and Bengio's correction takes.

    n_test is the partition's own count where it is redrawn. The holdout is not: it is the same in every draw, and what
    differs between draws is what was split off training, so there n_test is that of the draws' own test split.
    """
    own = "test" if partition == "holdout" else partition
    shares = [sizes[scenario][str(d)][own] / sizes[scenario][str(d)]["train"] for d in sorted(set(draws))]
    return sum(shares) / len(shares)

"""What the report knows of the study beside its measurements: read once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.records.manifest import is_rendered
from pipeline_steps.records.populations import SKIN_TYPE, in_order, level_text, levels_name, names, noun, within
from pipeline_steps.records.skin_types import GROUPS, as_groups
from pipeline_steps.reporting.arms import baseline_arms, noise_floors
from pipeline_steps.reporting.paper import is_papers
from pipeline_steps.reporting.results import NO_MODEL, read_json
from pipeline_steps.stage.params import PARAMS_FILE, read_params, read_yaml

METRICS = Path("metrics")
DATASET = Path("data/dataset")
PREDICTIONS = Path("data/predictions")
PARTITIONS = ("test", "test_light", "holdout")  # tests, in the report's order
HOLDOUT = "phantom holdout, all six types"
Sizes = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Study:
    """``conditions``: how many there are; ``sizes``: of partitions, by scenario and draw.

    ``column``: what divides people, and its ``levels`` in their order, with those of ``majority`` and ``minority``;
    ``levelled``: whether images count by their group of skin types alone.
    ``rendered``: whether images are phantoms; ``papers``: whether the paper's figures are about the same conditions on
    the same skin, from its data set or the phantom of its Table 1.
    ``baselines``: arms of real images alone; ``model_free``: augmenters whose arms are baselines, too; ``floors``:
    arms that repeat a baseline under another seed, and which.
    """

    column: str
    levels: tuple[str, ...]
    majority: tuple[str, ...]
    minority: tuple[str, ...]
    levelled: bool
    rendered: bool
    papers: bool
    conditions: int
    sizes: Sizes
    baselines: frozenset[str]
    model_free: frozenset[str]
    floors: Mapping[str, str]
    evaluation: EvaluationParams

    def named(self, levels: Iterable[str]) -> str:
        """Levels as people write them, such as ``skin types V, VI``; by their groups where images count by those."""
        chosen = tuple(levels)
        return levels_name(self.column, (as_groups(chosen) if self.levelled else None) or chosen)

    @property
    def noun(self) -> str:
        """What a level is: ``skin type``, or another column in words."""
        return noun(self.column)

    @property
    def names(self) -> dict[str, str]:
        """Each level in words, in their order."""
        return names(self.column, self.levels)

    @property
    def minority_levels(self) -> tuple[str, ...]:
        """The levels that an image of the minority may have."""
        return within(self.column, self.minority)

    @property
    def words(self) -> dict[str, str]:
        """Each test partition in words."""
        return {
            "test": f"test, {self.named(self.minority)} (minority)",
            "test_light": f"test, {self.named(self.majority)} (majority)",
            "holdout": HOLDOUT if self.rendered else "holdout",
        }


def read_study(splits: Sizes, cells: Mapping[str, Any]) -> Study:
    """From params.yaml, metrics/subset.json, the manifest, and metrics/split.json and cells.yaml, parsed."""
    params, counts = read_yaml(PARAMS_FILE), read_json(METRICS / "subset.json")["counts"]
    population = params["population"]
    column = population["column"]
    majority, minority = (tuple(in_order(population[g])) for g in ("majority", "minority"))
    return Study(
        column=column,
        levels=tuple(map(level_text, population["levels"])),
        majority=majority,
        minority=minority,
        levelled=column == SKIN_TYPE and any(level in GROUPS for n in counts.values() for level in n),
        rendered=is_rendered(pd.read_parquet(DATASET / "manifest.parquet")),
        papers=is_papers(params["ingest"]["adapter"], set(counts), column, (majority, minority)),
        conditions=len(counts),
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

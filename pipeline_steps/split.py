"""Split the study for every scenario and draw of Wang et al. 2024, so that no group crosses.

Reads: ``data/subset.parquet``. Writes: ``data/splits/<scenario>-<draw>.parquet`` and ``metrics/split.json``.

A draw is one redrawn "flexible subset": ``flexible_per_condition`` images of each condition from each end of the
skin-type scale. Scenario i trains on everything else and tests on the flexible dark images; ii trains on light and
flexible dark, tests on the other dark; iii trains on light alone, tests on the other dark. Partitions: train,
validation, test, test_light (scenario i: the flexible light images, Table 5), reference (real images that train
nothing and test nothing), holdout (phantom only), excluded (would carry a group across, or beyond the dose; counted by
reason and skin type).

A scenario may name a dose: ``iii_n16`` trains on 16 images of each condition (fewer where there are fewer), of which
``iii_n8`` takes eight; the others of the training images are excluded, and nothing else differs from ``iii``.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.parameters.split import SplitParams
from pipeline_steps.records.errors import DataError
from pipeline_steps.records.manifest import by_skin_type
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run

# (majority flexible, majority other, minority flexible, minority other)
SCENARIOS = {
    "i": ("test_light", "train", "test", "train"),
    "ii": ("reference", "train", "train", "test"),
    "iii": ("reference", "train", "reference", "test"),
}
_TESTS = ("test", "test_light")


def flexible(table: pd.DataFrame, tone: str, params: SplitParams, draw: int) -> set[str]:
    """Ids of one end's flexible subset.

    ``per_condition`` draws from both types of the end together, ``per_type`` as many from each of them.

    Raises:
        DataError: a condition has too few images, or the sampler is unknown.
    """
    if params.sampler not in ("per_condition", "per_type"):
        raise DataError(f"split.sampler {params.sampler!r} is neither per_condition nor per_type")
    end = table[table["tone"] == tone]
    chosen: set[str] = set()
    for number, (condition, rows) in enumerate(end.groupby("condition", sort=True)):
        pools = [rows] if params.sampler == "per_condition" else [r for _, r in rows.groupby("fitzpatrick_scale")]
        share = params.flexible_per_condition // len(pools)
        rng = np.random.default_rng([params.seed, draw, number, ["majority", "minority"].index(tone)])
        for pool in pools:
            if len(pool) <= share:
                raise DataError(
                    f"{condition} has {len(pool)} {tone} images, the flexible subset takes {share} and must leave "
                    "some; lower split.flexible_per_condition"
                )
            chosen |= set(rng.choice(sorted(pool["image_id"]), share, replace=False))
    return chosen


def split(table: pd.DataFrame, scenario: str, draw: int, params: SplitParams) -> pd.DataFrame:
    """One row an image with its ``partition``, and ``because``: why it is excluded.

    Raises:
        DataError: unknown scenario, or a group crosses a partition border (unless ``leakage`` is "report").
    """
    name, dose = _dose(scenario)
    study = table[table["role"] == "study"]
    picked = flexible(study, "majority", params, draw) | flexible(study, "minority", params, draw)
    plan = SCENARIOS[name]
    position = 2 * (study["tone"] == "minority") + ~study["image_id"].isin(picked)
    partition = pd.Series([plan[p] for p in position], index=study.index)
    if params.leakage == "exclude":
        partition = _exclude_crossing(partition, study["group"])
    because = (partition == "excluded").map({True: "its group is in another partition", False: ""})
    partition = _carve_validation(partition, study, params, draw)
    partition = _reduce(partition, study, dose, params.seed, draw) if dose else partition
    because = because.mask((partition == "excluded") & (because == ""), "beyond the dose")
    out = table.assign(
        partition=partition.reindex(table.index).fillna("holdout"), because=because.reindex(table.index).fillna("")
    )
    leaks = leakage(out)
    if params.leakage != "report" and any(leaks.values()):
        raise DataError(f"scenario {scenario}, draw {draw}: groups cross partitions: {leaks}")
    return out


def _dose(scenario: str) -> tuple[str, int]:
    """A scenario's name, and how many images of each condition it trains on (0: all).

    Raises:
        DataError: there is no such scenario.
    """
    found = re.fullmatch(r"(\w+?)(?:_n([1-9]\d*))?", scenario)
    if not found or found[1] not in SCENARIOS:
        raise DataError(f"split.scenarios names {scenario!r}, not {', '.join(SCENARIOS)} or such as iii_n16")
    return found[1], int(found[2] or 0)


def _reduce(partition: pd.Series, study: pd.DataFrame, dose: int, seed: int, draw: int) -> pd.Series:
    """Leave ``dose`` training images of each condition; smaller doses are subsets of larger ones."""
    out = partition.copy()
    train = study[out == "train"].sort_values("image_id")
    for number, (_, rows) in enumerate(train.groupby("condition", sort=True)):
        order = np.random.default_rng([seed, draw, number, 11]).permutation(rows.index.to_numpy())
        out[order[dose:]] = "excluded"
    return out


def _exclude_crossing(partition: pd.Series, group: pd.Series) -> pd.Series:
    """Test images stay; training images of their groups go, then reference images of either's groups."""
    out = partition.copy()
    tested = set(group[out.isin(_TESTS)])
    out[(out == "train") & group.isin(tested)] = "excluded"
    used = tested | set(group[out == "train"])
    out[(out == "reference") & group.isin(used)] = "excluded"
    light = set(group[out == "test_light"])
    out[(out == "test") & group.isin(light)] = "excluded"
    return out


def _carve_validation(partition: pd.Series, study: pd.DataFrame, params: SplitParams, draw: int) -> pd.Series:
    """Move whole groups of each condition from train to validation until its fraction is reached."""
    out = partition.copy()
    train = study[out == "train"]
    members = dict(train.groupby("group").groups)
    for number, (_, rows) in enumerate(train.groupby("condition", sort=True)):
        rng = np.random.default_rng([params.seed, draw, number, 7])
        quota, taken = round(params.validation_fraction * len(rows)), 0
        for name in rng.permutation(sorted(set(rows["group"]))):
            mine: Any = members.get(name, [])  # none where another condition has moved the group
            if taken + len(mine) <= quota:
                out[mine] = "validation"
                taken += len(mine)
                members.pop(name, None)
    return out


def leakage(split_table: pd.DataFrame) -> dict[str, int]:
    """How many test, reference and validation images share a group with a training image."""
    groups = split_table["group"]
    trained = set(groups[split_table["partition"] == "train"])
    partitions = (*_TESTS, "reference", "validation")
    return {p: int((groups[split_table["partition"] == p].isin(trained)).sum()) for p in partitions}


def sizes(split_table: pd.DataFrame) -> dict[str, object]:
    """Counts for the metrics; ``train_and_validation`` is what the paper calls training."""
    n = split_table["partition"].value_counts()
    named = {
        p: int(n.get(p, 0)) for p in ("train", "validation", "test", "test_light", "reference", "holdout", "excluded")
    }
    both = named["train"] + named["validation"]
    excluded = split_table[split_table["partition"] == "excluded"].groupby("because")
    return {
        "train_and_validation": both,
        **named,
        "excluded_by_skin_type": {str(reason): by_skin_type(rows) for reason, rows in excluded},
        "sharing_a_group_with_train": leakage(split_table),
    }


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--subset", "--out", "--metrics").parse_args()
    params = read_params(SplitParams, "split")
    table = pd.read_parquet(args.subset)
    metrics: dict[str, dict[str, object]] = {}
    with whole_folder(args.out) as out:
        for scenario in params.scenarios:
            for draw in params.draws:
                made = split(table, scenario, draw, params)
                _columns(made).to_parquet(Path(out) / f"{scenario}-{draw}.parquet", index=False)
                metrics.setdefault(scenario, {})[str(draw)] = sizes(made)
    write_metrics(args.metrics, metrics)


def _columns(made: pd.DataFrame) -> pd.DataFrame:
    wanted = ("image_id", "condition", "fitzpatrick_scale", "tone", "group", "sha256", "partition")
    return made[list(wanted)].assign(fitzpatrick_scale=made["fitzpatrick_scale"].astype("int64"))


if __name__ == "__main__":
    run(main)

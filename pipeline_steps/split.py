"""Split the study for every scenario and draw of Wang et al. 2024, so that no group crosses.

Reads: ``data/subset.parquet``. Writes: ``data/splits/<scenario>-<draw>.parquet`` and ``metrics/split.json``.

A draw is one redrawn "flexible subset": ``flexible_per_condition`` images of each condition from each end of the
range of levels. Scenario i trains on everything else and tests on the flexible dark images; ii trains on light and
flexible dark, tests on the other dark; iii trains on light alone, tests on the other dark. Partitions: train,
validation, test, test_light (scenario i: the flexible light images, Table 5), reference (real images that train
nothing and test nothing), holdout (phantom only), excluded (would carry a group across, or beyond the dose; counted by
reason and level).

Before anything is written all scenarios and draws are looked through for what a later stage could not use: a classifier
knows the conditions it trained on and is chosen on validation, and the minority is tested on. Every mistake is named.

A scenario with ``images_per_condition`` trains on so many images of each condition (fewer where there are fewer); a
smaller number takes a part of a larger one's. The other training images are excluded, and nothing else differs from the
scenario without it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_steps.parameters.scenarios import Scenario
from pipeline_steps.parameters.split import SplitParams, would_do
from pipeline_steps.records.populations import MAJORITY, MINORITY
from pipeline_steps.splitting.sizes import TESTS, leakage, sizes
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run

# (majority flexible, majority other, minority flexible, minority other)
SCENARIOS = {
    "i": ("test_light", "train", "test", "train"),
    "ii": ("reference", "train", "train", "test"),
    "iii": ("reference", "train", "reference", "test"),
}
_SCREEN = 20  # lines
_NO_VALIDATION = "validation has no image"


def flexible(table: pd.DataFrame, params: SplitParams, draw: int) -> set[str]:
    """Ids of both ends' flexible subsets.

    ``per_condition`` draws from all levels of an end together, ``per_level`` as many from each of them.

    Raises:
        DataError: some conditions have too few images, a line each.
    """
    chosen: set[str] = set()
    few: dict[str, int] = {}  # what is wrong, and the largest number that would do
    for end, whom in enumerate((MAJORITY, MINORITY)):
        for number, (condition, rows) in enumerate(table[table["population"] == whom].groupby("condition", sort=True)):
            each = {f"level {level}": pool for level, pool in rows.groupby("level")}
            pools = {f"the {whom}": rows} if params.sampler == "per_condition" else each
            share = params.flexible_per_condition // len(pools)
            rng = np.random.default_rng([params.seed, draw, number, end])
            for words, pool in pools.items():
                if len(pool) > share:
                    chosen |= set(rng.choice(sorted(pool["image_id"]), share, replace=False))
                    continue
                line = f"{condition} has {len(pool)} images of {words}, the flexible subset takes {share}"
                few[f"{line} and must leave some"] = (len(pool) - 1) * len(pools)
    if few:
        raise DataError("\n".join(f"{line}; {_smaller(min(few.values()), params)}" for line in few))
    return chosen


def _smaller(most: int, params: SplitParams) -> str:
    """The remedy of too few images: the largest flexible subset that all conditions and levels allow."""
    if most > 0:
        return f"lower split.flexible_per_condition to {most}"
    return "add images" + (", or set split.sampler to per_condition" if params.sampler == "per_level" else "")


def split(table: pd.DataFrame, scenario: Scenario, draw: int, params: SplitParams) -> pd.DataFrame:
    """One row an image with its ``partition``, and ``because``: why it is excluded.

    Raises:
        DataError: a group crosses a partition border (unless ``leakage`` is "report").
    """
    dose = scenario.images_per_condition
    study = table[table["role"] == "study"]
    picked = flexible(study, params, draw)
    plan = SCENARIOS[scenario.scenario]
    position = 2 * (study["population"] == MINORITY) + ~study["image_id"].isin(picked)
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
        raise DataError(f"groups cross partitions: {leaks}; set split.leakage to exclude")
    return out


def split_all(table: pd.DataFrame, params: SplitParams) -> dict[tuple[str, int], pd.DataFrame]:
    """``split`` by scenario's name and draw.

    Raises:
        DataError: some can't be made, or are of no use to later stages; with every mistake.
    """
    made: dict[tuple[str, int], pd.DataFrame] = {}
    wrong: dict[str, dict[str, list[int]]] = {}  # scenarios and draws by what is wrong
    for scenario in params.scenarios:
        for draw in params.draws:
            try:
                made[scenario.name, draw] = split(table, scenario, draw, params)
                found = unusable(made[scenario.name, draw])
            except DataError as error:
                found = str(error).splitlines()
            for line in found:
                wrong.setdefault(line, {}).setdefault(scenario.name, []).append(draw)
    if wrong:
        empty = {(s, wrong[line][s][0]) for line in wrong if line.startswith(_NO_VALIDATION) for s in wrong[line]}
        remedy = f"; {_would_do(table, params, empty)}" if empty else ""
        lines = [
            _places(line, where) + (remedy if line.startswith(_NO_VALIDATION) else "") for line, where in wrong.items()
        ]
        some = [*lines[:_SCREEN], f"{len(lines) - _SCREEN - 1} more like these", lines[-1]]
        raise DataError("\n".join(lines if len(lines) <= _SCREEN + 2 else some))
    return made


def _would_do(table: pd.DataFrame, params: SplitParams, empty: set[tuple[str, int]]) -> str:
    """The remedy of ``empty`` validation sets, one a scenario: tried on these, then on all scenarios and draws."""
    scenarios = {scenario.name: scenario for scenario in params.scenarios}
    whole = {(name, draw) for name in scenarios for draw in params.draws}

    def found(by: SplitParams, which: set[tuple[str, int]]) -> set[str]:
        made = (split(table, scenarios[name], draw, by) for name, draw in sorted(which))
        return {wrong.split(",")[0].split(":")[0] for rows in made for wrong in unusable(rows)}

    others = {wrong for wrong in found(params, whole) if not wrong.startswith(_NO_VALIDATION)}

    def fits(other: SplitParams) -> bool:
        try:
            return found(other, empty) <= others and found(other, whole) <= others
        except DataError:
            return False

    return would_do(params, fits)


def _places(line: str, where: dict[str, list[int]]) -> str:
    """A mistake with the scenarios and draws in which it occurs before it."""
    by_draws: dict[tuple[int, ...], list[str]] = {}
    for scenario, draws in where.items():
        by_draws.setdefault(tuple(draws), []).append(scenario)
    named = [
        f"scenario{'s'[: len(s) > 1]} {', '.join(s)}, draw{'s'[: len(d) > 1]} {', '.join(map(str, d))}"
        for d, s in by_draws.items()
    ]
    return f"{'; '.join(named)}: {line}"


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
    tested = set(group[out.isin(TESTS)])
    out[(out == "train") & group.isin(tested)] = "excluded"
    used = tested | set(group[out == "train"])
    out[(out == "reference") & group.isin(used)] = "excluded"
    light = set(group[out == "test_light"])
    out[(out == "test") & group.isin(light)] = "excluded"
    return out


def _carve_validation(partition: pd.Series, study: pd.DataFrame, params: SplitParams, draw: int) -> pd.Series:
    """Move whole groups of each condition from train to validation until its fraction is reached.

    Groups are numbers here, and rows are marked once: a table is not looked through again for each of its groups.
    """
    out = partition.copy()
    rows = np.flatnonzero(out == "train")
    groups, names = pd.factorize(study["group"].iloc[rows], sort=True)
    left = np.bincount(groups, minlength=len(names))  # images of a group; none where it has been moved
    moved = np.zeros(len(names), bool)
    own = pd.Series(groups).groupby(study["condition"].iloc[rows].to_numpy(), sort=True)
    for number, (_, members) in enumerate(own):
        rng = np.random.default_rng([params.seed, draw, number, 7])
        quota, taken = round(params.validation_fraction * len(members)), 0
        for group in rng.permutation(np.unique(members)).tolist():
            if left[group] and taken + left[group] <= quota:  # another condition may have moved it
                taken += left[group]
                moved[group], left[group] = True, 0
    out.iloc[rows[moved[groups]]] = "validation"
    return out


def unusable(made: pd.DataFrame) -> list[str]:
    """Why later stages could not use a split: a line for each partition and condition.

    No mistake is what they cope with: a reference set, a validation set or a test of some draw that lacks a condition.
    """
    n = made.groupby(["partition", "condition"]).size()
    lines = []
    for condition in sorted(set(made["condition"])):
        held = {p: int(n.get((p, condition), 0)) for p in (*TESTS, "holdout", "validation")}
        if any(held.values()) and not n.get(("train", condition), 0):
            has = " and ".join(f"{p} has {k}" for p, k in held.items() if k)
            lines.append(
                f"train has no image of {condition!r}, but {has}; take the condition out of subset.conditions, or the "
                "scenario out of split.scenarios, or add images"
            )
    train = made[made["partition"].isin(["train", "validation"])]
    remedies = {
        "train": "the majority has none left; check population.majority",
        "validation": f"no group fits into the share of {len(train)} training images in {train['group'].nunique()} "
        "groups",
        "test": "the minority has none left; check population.minority and split.flexible_per_condition",
    }
    return lines + [f"{p} has no image of any condition: {why}" for p, why in remedies.items() if p not in n.index]


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--subset", "--out", "--metrics").parse_args()
    params = read_params(SplitParams, "split")
    table = pd.read_parquet(args.subset)
    made = split_all(table, params)
    metrics: dict[str, dict[str, object]] = {}
    with atomic_folder(args.out) as out:
        for (scenario, draw), rows in made.items():
            _columns(rows).to_parquet(Path(out) / f"{scenario}-{draw}.parquet", index=False)
            metrics.setdefault(scenario, {})[str(draw)] = sizes(rows)
    write_metrics(args.metrics, metrics)


def _columns(made: pd.DataFrame) -> pd.DataFrame:
    return made[["image_id", "condition", "level", "population", "group", "sha256", "partition"]]


if __name__ == "__main__":
    run(main)

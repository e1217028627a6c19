"""Choose the images of the study: conditions, majority and minority, and a cleaning policy.

Reads: manifest and audit. Writes: ``data/subset.parquet`` and ``metrics/subset.json`` (condition x level counts).
Policies: ``clean`` drops images without pixels, identical copies and near-duplicates whose labels disagree;
``paper_exact`` filters on label and level alone (Wang et al. 2024, Table 1). Every drop is counted by reason and level,
and by reason and condition: who is left out must be as plain as how many.

People are divided by ``population.column``: a skin scale, or any other column or attribute of the manifest
(``records/levels.py``). Where the type of a study image is not known, but its group (12, 34, 56), and majority and
minority are whole groups, all images get the level of their group (``records/skin_types.py``). Where they are not,
images of a group alone are left out.
"""

import difflib
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pipeline_steps.parameters.population import Banding, Column, Group, Groups
from pipeline_steps.parameters.subset import SubsetParams
from pipeline_steps.records.levels import levels, source_of_ita
from pipeline_steps.records.manifest import PRESENT, by_level
from pipeline_steps.records.populations import LEVELS_OF, MAJORITY, MINORITY, SKIN_TYPE, noun
from pipeline_steps.records.skin_scales import ITA, ITA_TYPE
from pipeline_steps.records.skin_types import GROUPS, as_groups, group_of, types_of
from pipeline_steps.records.slugs import require_distinct
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run


def select(
    manifest: pd.DataFrame, groups: pd.DataFrame, params: SubsetParams, population: Groups
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the study (and of the holdout) with ``level`` and ``population``, and those dropped with ``because``.

    Levels of skin are types, or groups where those are all that is known of some.

    Raises:
        DataError: a condition that the data lack, two that would share a name, or one with no image left.
    """
    _require_conditions(manifest, params)
    measured = manifest.merge(groups[["image_id", "ita"]], on="image_id", how="left")
    known = manifest.assign(level=list(levels(measured, population.column, population.bands)))
    _require_levels(known, population)
    table = known.merge(groups[["image_id", "group", "duplicate_of", "conflict", "ita"]], on="image_id")
    because = pd.Series("", index=table.index)
    for reason, applies in (_choice(params, population) | _POLICIES[params.policy]).items():
        because = because.mask((because == "") & applies(table) & _in_reach(table, reason), reason)
    kept, dropped = _levelled(table[because == ""], population), table.assign(because=because)[because != ""]
    left = set(kept.loc[kept["role"] == "study", "condition"])
    empty = [c for c in params.conditions if c not in left]
    if empty:
        raise DataError(
            f"no image of {', '.join(empty)} is left under policy {params.policy!r}; "
            f"dropped, by reason and {noun(population.column)}: {drops(dropped)['dropped']}"
        )
    minority = kept["level"].map(lambda level: {*_may_be(level, population)} <= {*population.minority})
    whom = minority.map({True: MINORITY, False: MAJORITY})
    return kept.assign(population=whom).reset_index(drop=True), dropped.reset_index(drop=True)


_OTHER_CONDITION, _NO_PIXELS = "another condition", "no pixels"
_UNKNOWN, _GROUP_ALONE = "unknown", "known by its group alone"  # after the noun
_SHOWN = 12  # labels in a message
Rule = Callable[[pd.DataFrame], pd.Series]


def _choice(params: SubsetParams, population: Groups) -> dict[str, Rule]:
    both, what = {*population.majority, *population.minority}, noun(population.column)
    rules: dict[str, Rule] = {
        _OTHER_CONDITION: lambda t: ~t["condition"].isin(params.conditions),
        f"{what} {_UNKNOWN}": lambda t: t["level"] == "",
        f"{what} outside both groups": lambda t: (
            ~t["level"].map(lambda one: not one or bool(_may_be(one, population) & both))
        ),
    }
    if population.column == SKIN_TYPE:
        whole = as_groups(population.majority) and as_groups(population.minority)
        rules[f"{what} {_GROUP_ALONE}"] = lambda t: t["level"].isin(GROUPS) & (not whole)
    return rules


def _may_be(level: str, population: Groups) -> set[str]:
    """The levels that one stands for: itself, or the types of a group."""
    return {str(t) for t in types_of(level)} if population.column == SKIN_TYPE else {level}


def _levelled(kept: pd.DataFrame, population: Groups) -> pd.DataFrame:
    """``kept`` with the level of their group for all, where one of them has no type; the same rows otherwise."""
    if population.column != SKIN_TYPE or not kept["level"].isin(GROUPS).any():
        return kept
    return kept.assign(level=kept["level"].map(group_of))


_POLICIES: dict[str, dict[str, Rule]] = {
    "paper_exact": {},
    "clean": {
        _NO_PIXELS: lambda t: t["image_status"] != PRESENT,
        "identical copy": lambda t: t["duplicate_of"] != "",
        "near-duplicates with different labels": lambda t: t["conflict"],
    },
}


def _in_reach(table: pd.DataFrame, reason: str) -> pd.Series:
    """The holdout covers all levels and is not cleaned, but what has no pixels, or no level, can't be tested on."""
    always = reason in {_OTHER_CONDITION, _NO_PIXELS} or reason.endswith((_UNKNOWN, _GROUP_ALONE))
    return (table["role"] == "study") | always


def _require_levels(known: pd.DataFrame, population: Groups) -> None:
    """Every level that parameters name is one that an image has: else a misspelt one would be nobody's, unseen."""
    there = sorted({one for level in set(known["level"]) - {""} for one in _may_be(level, population)})
    absent = [level for level in (*population.majority, *population.minority) if level not in there]
    vocabulary = population.bands or population.column in LEVELS_OF  # of which one may be without images
    if absent and not (vocabulary and {*population.majority, *population.minority} & {*there}):
        near = difflib.get_close_matches(absent[0], there, 1, 0.6)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"population names {noun(population.column)} {', '.join(map(repr, absent))}, which no image has{meant}; "
            f"there are {', '.join(there[:_SHOWN]) or 'none'}"
        )


def _require_conditions(manifest: pd.DataFrame, params: SubsetParams) -> None:
    if not params.conditions:
        raise DataError("subset.conditions names none; name the labels to study")
    require_distinct(params.conditions)
    known = sorted(set(manifest["condition"]))
    absent = [condition for condition in params.conditions if condition not in known]
    if absent:
        near = difflib.get_close_matches(absent[0].casefold(), known, 1, 0.7) if len(absent) == 1 else []
        meant = f"; did you mean {near[0]!r}?" if near else ""
        times = manifest["condition"].value_counts()
        there = ", ".join(f"{label!r} ({times[label]})" for label in times.index[:_SHOWN])
        more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        raise DataError(
            f"subset.conditions names {', '.join(map(repr, absent))}, which no image has{meant}; the labels, in small "
            f"letters, are {there}{more}"
        )


def counts(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Study images by condition and level."""
    study = table[table["role"] == "study"]
    return {str(condition): by_level(rows) for condition, rows in study.groupby("condition", sort=True)}


def drops(dropped: pd.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """Dropped images by reason and level, and by reason and condition (but for those of other conditions)."""
    chosen = dropped[dropped["because"] != _OTHER_CONDITION].groupby("because")["condition"]
    return {
        "dropped": {str(reason): by_level(rows) for reason, rows in dropped.groupby("because")},
        "dropped_by_condition": {
            str(reason): {str(c): int(n) for c, n in rows.value_counts().sort_index().items()}
            for reason, rows in chosen
        },
    }


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--dataset", "--groups", "--out", "--metrics").parse_args()
    params = read_params(SubsetParams, "subset")
    population = Groups(
        column=read_params(Column, "population.column").value,
        majority=read_params(Group, "population.majority").value,
        minority=read_params(Group, "population.minority").value,
        bands=read_params(Banding, "population.bands").value,
    )
    manifest = pd.read_parquet(Path(args.dataset) / "manifest.parquet")
    table, dropped = select(manifest, pd.read_parquet(args.groups), params, population)
    if population.column == SKIN_TYPE and table["level"].isin(GROUPS).any():
        print("of some images the group of skin types is all that is known: all count by their group")
    with atomic_file(args.out) as temporary:
        table.to_parquet(temporary, index=False)
    found: dict[str, object] = {"policy": params.policy, "counts": counts(table), **drops(dropped)}
    if population.column in {ITA, ITA_TYPE}:
        found["ita"] = source_of_ita(manifest)
        print(f"{noun(population.column)}: ITA is {found['ita']}")
    write_metrics(args.metrics, found)


if __name__ == "__main__":
    run(main)

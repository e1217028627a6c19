"""Choose the images of the study: conditions, the two skin-type groups, and a cleaning policy.

Reads: manifest and audit. Writes: ``data/subset.parquet`` and ``metrics/subset.json`` (condition x type counts).
Policies: ``clean`` drops images without pixels, identical copies and near-duplicates whose labels disagree;
``paper_exact`` filters on label and type alone (Wang et al. 2024, Table 1). Every drop is counted by reason and skin
type, and by reason and condition: who is left out must be as plain as how many.

Where the type of a study image is not known, but its group (12, 34, 56), and majority and minority are whole groups,
all images get the level of their group as ``fitzpatrick_scale`` (``records/skin_types.py``). Where they are not, images
of a group alone are left out.
"""

import difflib
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pipeline_steps.parameters.population import Group, Groups
from pipeline_steps.parameters.subset import SubsetParams
from pipeline_steps.records.errors import DataError
from pipeline_steps.records.manifest import PRESENT, by_skin_type
from pipeline_steps.records.skin_types import GROUP_LEVELS, as_groups, group_level, types_of
from pipeline_steps.records.slugs import require_distinct
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import whole_file
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run


def select(
    manifest: pd.DataFrame, groups: pd.DataFrame, params: SubsetParams, population: Groups
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the study (and of the holdout) with ``tone`` (majority or minority), and those dropped with ``because``.

    ``fitzpatrick_scale`` of the former holds levels: types, or groups where those are all that is known of some.

    Raises:
        DataError: a condition that the data lack, two that would share a name, or one with no image left.
    """
    _require_conditions(manifest, params)
    table = manifest.merge(groups[["image_id", "group", "duplicate_of", "conflict", "ita"]], on="image_id")
    because = pd.Series("", index=table.index)
    for reason, applies in (_choice(params, population) | _POLICIES[params.policy]).items():
        because = because.mask((because == "") & applies(table) & _in_reach(table, reason), reason)
    kept, dropped = _levelled(table[because == ""]), table.assign(because=because)[because != ""]
    left = set(kept.loc[kept["role"] == "study", "condition"])
    empty = [c for c in params.conditions if c not in left]
    if empty:
        raise DataError(
            f"no image of {', '.join(empty)} is left under policy {params.policy!r}; "
            f"dropped, by reason and skin type: {drops(dropped)['dropped']}"
        )
    minority = kept["fitzpatrick_scale"].map(lambda level: {*types_of(level)} <= {*population.minority})
    tone = minority.map({True: "minority", False: "majority"})
    return kept.assign(tone=tone).reset_index(drop=True), dropped.reset_index(drop=True)


_OTHER_CONDITION, _NO_PIXELS = "another condition", "no pixels"
_UNKNOWN, _GROUP_ALONE = "skin type unknown", "skin type known by its group alone"
_SHOWN = 12  # labels in a message
Rule = Callable[[pd.DataFrame], pd.Series]


def _choice(params: SubsetParams, population: Groups) -> dict[str, Rule]:
    both = {*population.majority, *population.minority}
    whole_groups = as_groups(population.majority) and as_groups(population.minority)

    def of_group_alone(t: pd.DataFrame) -> pd.Series:
        return _levels(t).isin(GROUP_LEVELS) & (not whole_groups)

    return {
        _OTHER_CONDITION: lambda t: ~t["condition"].isin(params.conditions),
        _UNKNOWN: lambda t: _levels(t).isna(),
        "skin type outside both groups": lambda t: ~_levels(t).map(lambda level: _may_be(level, both)),
        _GROUP_ALONE: of_group_alone,
    }


def _levels(table: pd.DataFrame) -> pd.Series:
    """What is known of each image's skin: its type, else its group, else nothing."""
    group = table["skin_group"] if "skin_group" in table else pd.Series("", index=table.index)
    return table["fitzpatrick_scale"].astype("Int64").fillna(pd.to_numeric(group.replace("", None)).astype("Int64"))


def _may_be(level: int, types: set[int]) -> bool:
    """Whether skin of a level, if that is known, may be of one of ``types``."""
    return bool(pd.isna(level) or {*types_of(level)} & types)


def _levelled(kept: pd.DataFrame) -> pd.DataFrame:
    """``kept`` with the level of their group for all, where one of them has no type; the same rows otherwise."""
    if not kept["fitzpatrick_scale"].isna().any():
        return kept
    return kept.assign(fitzpatrick_scale=_levels(kept).map(group_level).astype("Int64"))


_POLICIES: dict[str, dict[str, Rule]] = {
    "paper_exact": {},
    "clean": {
        _NO_PIXELS: lambda t: t["image_status"] != PRESENT,
        "identical copy": lambda t: t["duplicate_of"] != "",
        "near-duplicates with different labels": lambda t: t["conflict"],
    },
}


def _in_reach(table: pd.DataFrame, reason: str) -> pd.Series:
    """The holdout covers all skin types and is not cleaned, but what has no pixels, or no type, can't be tested on."""
    return (table["role"] == "study") | (reason in {_OTHER_CONDITION, _NO_PIXELS, _UNKNOWN, _GROUP_ALONE})


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
    """Study images by condition and level of skin."""
    study = table[table["role"] == "study"]
    by_level = study.groupby(["condition", "fitzpatrick_scale"]).size()
    return {
        condition: {str(t): int(n) for t, n in by_level[condition].items()}
        for condition in sorted(set(study["condition"]))
    }


def drops(dropped: pd.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """Dropped images by reason and skin type, and by reason and condition (but for those of other conditions)."""
    chosen = dropped[dropped["because"] != _OTHER_CONDITION].groupby("because")["condition"]
    return {
        "dropped": {str(reason): by_skin_type(rows) for reason, rows in dropped.groupby("because")},
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
        majority=read_params(Group, "population.majority").value,
        minority=read_params(Group, "population.minority").value,
    )
    manifest = pd.read_parquet(Path(args.dataset) / "manifest.parquet")
    table, dropped = select(manifest, pd.read_parquet(args.groups), params, population)
    if table["fitzpatrick_scale"].isin(GROUP_LEVELS).any():
        print("of some images the group of skin types is all that is known: all count by their group")
    with whole_file(args.out) as temporary:
        table.to_parquet(temporary, index=False)
    write_metrics(args.metrics, {"policy": params.policy, "counts": counts(table), **drops(dropped)})


if __name__ == "__main__":
    run(main)

"""Choose the images of the study: conditions, the two skin-type groups, and a cleaning policy.

Reads: manifest and audit. Writes: ``data/subset.parquet`` and ``metrics/subset.json`` (condition x type counts).
Policies: ``clean`` drops images without pixels, identical copies and near-duplicates whose labels disagree;
``paper_exact`` filters on label and type alone (Wang et al. 2024, Table 1). Every drop is counted by reason and skin
type, and by reason and condition: who is left out must be as plain as how many.
"""

import difflib
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pipeline_steps.parameters.subset import SubsetParams
from pipeline_steps.records.errors import DataError
from pipeline_steps.records.manifest import PRESENT, by_skin_type
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import whole_file
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run


def select(manifest: pd.DataFrame, groups: pd.DataFrame, params: SubsetParams) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the study (and of the holdout) with ``tone`` (majority or minority), and those dropped with ``because``.

    Raises:
        DataError: a condition that the data lack, an unknown policy, or a condition with no image left.
    """
    _require_conditions(manifest, params)
    table = manifest.merge(groups[["image_id", "group", "duplicate_of", "conflict", "ita"]], on="image_id")
    because = pd.Series("", index=table.index)
    for reason, applies in (_choice(params) | _POLICIES[_known_policy(params.policy)]).items():
        because = because.mask((because == "") & applies(table) & _in_reach(table, reason), reason)
    kept, dropped = table[because == ""], table.assign(because=because)[because != ""]
    left = set(kept.loc[kept["role"] == "study", "condition"])
    empty = [c for c in params.conditions if c not in left]
    if empty:
        raise DataError(
            f"no image of {', '.join(empty)} is left under policy {params.policy!r}; "
            f"dropped, by reason and skin type: {drops(dropped)['dropped']}"
        )
    tone = kept["fitzpatrick_scale"].isin(params.minority).map({True: "minority", False: "majority"})
    return kept.assign(tone=tone).reset_index(drop=True), dropped.reset_index(drop=True)


_OTHER_CONDITION, _NO_PIXELS = "another condition", "no pixels"
Rule = Callable[[pd.DataFrame], pd.Series]


def _choice(params: SubsetParams) -> dict[str, Rule]:
    return {
        _OTHER_CONDITION: lambda t: ~t["condition"].isin(params.conditions),
        "skin type outside both groups": lambda t: ~t["fitzpatrick_scale"].isin([*params.majority, *params.minority]),
    }


_POLICIES: dict[str, dict[str, Rule]] = {
    "paper_exact": {},
    "clean": {
        _NO_PIXELS: lambda t: t["image_status"] != PRESENT,
        "identical copy": lambda t: t["duplicate_of"] != "",
        "near-duplicates with different labels": lambda t: t["conflict"],
    },
}


def _known_policy(policy: str) -> str:
    if policy not in _POLICIES:
        raise DataError(f"subset.policy {policy!r} is none of {', '.join(_POLICIES)}")
    return policy


def _in_reach(table: pd.DataFrame, reason: str) -> pd.Series:
    """The holdout covers all skin types and is not cleaned, but what has no pixels can't be tested on either."""
    return (table["role"] == "study") | (reason in {_OTHER_CONDITION, _NO_PIXELS})


def _require_conditions(manifest: pd.DataFrame, params: SubsetParams) -> None:
    known = sorted(set(manifest["condition"]))
    for condition in params.conditions:
        if condition not in known:
            near = difflib.get_close_matches(condition, known, 3, 0.4)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there is {', '.join(known[:8])}"
            raise DataError(f"subset.conditions names {condition!r}, which no image has; {hint}")


def counts(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Study images by condition and skin type."""
    study = table[table["role"] == "study"]
    by_type = study.groupby(["condition", "fitzpatrick_scale"]).size()
    return {
        condition: {str(t): int(n) for t, n in by_type[condition].items()}
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
    manifest = pd.read_parquet(Path(args.dataset) / "manifest.parquet")
    table, dropped = select(manifest, pd.read_parquet(args.groups), params)
    with whole_file(args.out) as temporary:
        table.to_parquet(temporary, index=False)
    write_metrics(args.metrics, {"policy": params.policy, "counts": counts(table), **drops(dropped)})


if __name__ == "__main__":
    run(main)

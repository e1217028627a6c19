"""Selection: conditions, policies, and who is left out."""

import json
from pathlib import Path

import pandas as pd
import pytest
from split_tables import study_of

from pipeline_steps import select_subset
from pipeline_steps.parameters.population import Groups
from pipeline_steps.records.skin_scales import parse_skin, skin_columns
from pipeline_steps.select_subset import SubsetParams, counts, drops, select
from pipeline_steps.stage.errors import DataError

SKIN = Groups(column="fitzpatrick_scale", majority=(1, 2), minority=(5, 6), bands={})


def _manifest():
    table = study_of(str).drop(columns=["population", "group"]).assign(attributes="{}")
    table = table.assign(**skin_columns(parse_skin(level, "fitzpatrick", "crowd") for level in table.pop("level")))
    table["image_status"] = ["missing", *["present"] * 63]
    groups = pd.DataFrame({"image_id": table["image_id"], "group": table["image_id"], "ita": 0.0})
    groups["duplicate_of"] = ["", "000", *[""] * 62]
    groups["conflict"] = [False, False, True, *[False] * 61]
    return table, groups


def test_policies():
    params = SubsetParams(conditions=("a", "b"), policy="clean")
    cleaned, dropped = select(*_manifest(), params, SKIN)
    dropped = drops(dropped)
    assert dropped["dropped"] == {
        "no pixels": {"1": 1},
        "identical copy": {"1": 1},
        "near-duplicates with different labels": {"1": 1},
    }
    assert dropped["dropped_by_condition"] == {reason: {"a": 1} for reason in dropped["dropped"]}
    exact, none = select(*_manifest(), params.model_copy(update={"policy": "paper_exact"}), SKIN)
    assert (len(cleaned), len(exact), len(none)) == (61, 64, 0)
    assert counts(exact)["a"] == {"1": 8, "2": 8, "5": 8, "6": 8}


def test_nobody_is_dropped_without_being_counted_by_skin_type(tmp_path, monkeypatch):
    manifest, groups = _manifest()
    for image, cell in (("020", ""), ("021", "56"), ("030", "4")):
        told = skin_columns([parse_skin(cell, "fitzpatrick", "crowd")])
        manifest.loc[manifest["image_id"] == image, [*told]] = [value[0] for value in told.values()]
    manifest.loc[manifest["image_id"].isin(["062", "063"]), "condition"] = "c"
    monkeypatch.chdir(tmp_path)
    manifest.to_parquet("manifest.parquet")
    groups.to_parquet("groups.parquet")
    subset = {"conditions": ["a", "b"], "policy": "clean"}
    population = {"column": "fitzpatrick_scale", "majority": [1, 2], "minority": [5, 6], "bands": {}}
    Path("params.yaml").write_text(json.dumps({"subset": subset, "population": population}))
    arguments = "--dataset . --groups groups.parquet --out subset.parquet --metrics subset.json"
    monkeypatch.setattr("sys.argv", ["select_subset", *arguments.split()])
    select_subset.main()
    metrics, left = json.loads(Path("subset.json").read_text()), pd.read_parquet("subset.parquet")
    assert metrics["dropped"] == {
        "another condition": {"6": 2},
        "identical copy": {"1": 1},
        "near-duplicates with different labels": {"1": 1},
        "no pixels": {"1": 1},
        "skin type outside both groups": {"4": 1},
        "skin type unknown": {"unknown": 1},
    }
    assert metrics["dropped_by_condition"]["skin type unknown"] == {"a": 1}
    assert sum(n for types in metrics["dropped"].values() for n in types.values()) == len(manifest) - len(left)


def test_unknown_condition_suggests():
    params = SubsetParams(conditions=("psoriasi",), policy="clean")
    manifest, groups = _manifest()
    with pytest.raises(DataError, match="did you mean 'psoriasis'"):
        select(manifest.assign(condition="psoriasis"), groups, params, SKIN)


def test_conditions_are_compared_where_they_are_chosen(monkeypatch):
    """Before anything is trained: two labels of one name overwrote each other's files."""
    params = SubsetParams(conditions=("a", "b"), policy="clean")
    select(*_manifest(), params, SKIN)
    monkeypatch.setattr("pipeline_steps.records.slugs.slug", lambda _label: "same")
    with pytest.raises(DataError, match="'a' and 'b', which would share the file name same"):
        select(*_manifest(), params, SKIN)

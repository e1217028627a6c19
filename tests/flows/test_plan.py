"""The plan: which stages a run takes in, why each must run, and how long that may take."""

import pytest
from conftest import run
from flow_graphs import CELLS, FROZEN
from server import small_clone

from flows.dry_run import BY_ITEM, show_plan
from flows.durations import Estimates, record_duration
from flows.plan import Stage, _wanted, read_plan
from flows.schedule import clean_groups


def test_targets_bring_what_they_need():
    edges = {"a": [], "b@1": ["a"], "b@2": ["a"], "c": ["b@1"]}
    assert _wanted(edges, ()) == set(edges)
    assert _wanted(edges, ("b",)) == {"a", "b@1", "b@2"}
    assert _wanted(edges, ("c",)) == {"a", "b@1", "c"}
    with pytest.raises(ValueError, match="no stage d; 'dvc stage list'"):
        _wanted(edges, ("d",))


def test_an_unknown_target_is_told_with_what_may_be_meant():
    edges = {"generate@a-iii-0": [], "split": []}
    with pytest.raises(ValueError, match=r"no stage generat \(did you mean generate\?\), zzz; 'dvc stage list'"):
        _wanted(edges, ("generat", "zzz", "split"))
    with pytest.raises(ValueError, match=r"generate@a-ii-0 \(did you mean generate@a-iii-0"):
        _wanted(edges, ("generate@a-ii-0",))


def test_a_dry_run_shows_overrides_first_and_calls_nothing_stale_for_the_check_alone():
    changed = tuple(f"modified dependency {n}.py" for n in range(5))
    numbers = ("classifier.updates 400 → 7", "classifier.size 1 → 2")
    plan = [
        Stage("check_params", "", (), ("modified dependency params.yaml",)),
        Stage("ingest", "", ("check_params",), ()),
        Stage("train", "", ("ingest", "check_params"), (*changed, *numbers)),
        Stage("report", "", ("train",), ()),
    ]
    lines = show_plan(plan, ("classifier.updates=7",)).splitlines()
    assert lines[0] == "with -S classifier.updates=7 (params.yaml itself stays as it is)"
    assert [line.split()[0] for line in lines[2:-1]] == ["check_params", "train", "report"]
    assert lines[3].split("?  ")[-1].startswith("classifier.updates 400 → 7; modified dependency 0.py")
    assert lines[-1] == "3 of 4 stages may run"


def test_a_dry_run_says_what_is_made_anew_as_a_whole_and_why():
    """New photographs are new items; another adapter makes all images others, and so do other weights that changed."""
    plan = [
        Stage("ingest", "", (), ("modified dependency photographs",)),
        Stage("caption@a", "", ("ingest",), ("modified dependency models/vlm",)),
        Stage("finetune@a", "", ("ingest",), ()),
        Stage("generate@a", "", ("ingest", "finetune@a"), (), weights=("finetune@a",)),
        Stage("generate@b", "", ("ingest",), ()),
        Stage("screen@a", "", ("generate@a",), ()),
        Stage("evaluate@a", "", ("finetune@a",), (), weights=("finetune@a",)),
    ]
    said = [line for line in show_plan(plan).splitlines() if "anew" in line]
    assert [line.split(": ")[0] for line in said] == [
        "caption computes all anew, not what is new alone, if models/vlm gives other weights",
        "generate computes all anew, not what is new alone, if finetune gives other weights",
    ]
    assert "anew" not in show_plan([plan[0], plan[4]])


def test_the_plan_knows_who_makes_the_weights_that_a_stage_computes_with(toy, monkeypatch):
    monkeypatch.chdir(toy)
    weights = {stage.name: stage.weights for stage in read_plan()}
    assert weights["generate@majority_to_minority-iii-0"] == (
        "train_base", "invert_tokens@tokens-iii-0", "finetune@lora_tokens-iii-0"
    )  # fmt: skip
    assert weights["screen@majority_to_minority-iii-0"] == ("train_features",)
    assert not weights["split"]
    assert not weights["report"], "it shows what all have learned, and computes with none of it"
    assert {name.split("@")[0] for name in weights} >= {*BY_ITEM}


def test_only_what_nothing_can_change_shares_a_task():
    def stage(name, *needs, why=()):
        return Stage(name, "", needs, why)

    plan = [
        stage("a"),
        stage("b@1", "a"),
        stage("c@1", "b@1"),
        stage("b@2", "a"),
        stage("b@3", "a", why=("modified",)),
        stage("c@3", "b@3"),
        stage("c@2", "b@2", "outside the targets"),
        stage("d", "c@1", "c@3"),
    ]
    assert [[s.name for s in group] for group in clean_groups(plan)] == [["a"], ["b@1", "b@2"], ["c@1", "c@2"]]


def test_a_parameter_is_found_as_dvc_finds_it(tmp_path, monkeypatch):
    """Those of the plan are looked up by name; a wildcard, or what is missing, still as DVC does."""
    clone = small_clone(tmp_path / "clone", CELLS.replace("[some]", "[some.x, some.deep.y, other]"))
    (clone / "params.yaml").write_text("some: {x: 1, deep: {y: [2]}}\nother: {z: 3}\n")
    run("dvc", "repro", cwd=clone)
    monkeypatch.chdir(clone)
    assert _planned() == {"write@a": (), "write@b": (), "write@3": ()}
    (clone / "params.yaml").write_text("some: {x: 1, deep: {y: [5]}}\nother: {z: 3}\n")
    assert set(_planned().values()) == {("some.deep.y [2] → [5]",)}
    (clone / "params.yaml").write_text("some: {x: 1, deep: {}}\nother: {z: 3}\n")
    assert set(_planned().values()) == {("some.deep.y [2] → nothing",)}


def _planned():
    return {stage.name: stage.why for stage in read_plan()}


def test_estimates_come_from_the_stage_or_its_group(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Estimates().text("generate@x") == "?"
    record_duration("generate@x", "Completed", 12.3)
    record_duration("generate@x", "Unchanged", 0.1)
    assert [Estimates().text(stage) for stage in ("generate@x", "generate@y", "split")] == ["12", "12", "?"]


TWO_FROZEN = FROZEN.replace(
    "  short:",
    """  longer:
    frozen: true
    cmd: exec python work.py write out/longer
    deps: [out/long]
    outs: [out/longer]
  short:""",
).replace("deps: [out/long]\n    outs: [out/short]", "deps: [out/longer]\n    outs: [out/short]")


def test_a_frozen_stage_is_not_planned_to_run(tmp_path, monkeypatch):
    """Not for what it reads, not for what comes before it, and not when it was itself edited: DVC never runs it."""
    clone = small_clone(tmp_path / "clone", TWO_FROZEN)
    (clone / "out").mkdir()
    for name in ("long", "longer"):
        (clone / "out" / name).write_text("as it ships")
    run("dvc", "commit", "--force", "long", "longer", cwd=clone)
    run("dvc", "repro", cwd=clone)
    (clone / "dvc.yaml").write_text(TWO_FROZEN.replace("write out/long\n", "write  out/long\n"))
    monkeypatch.chdir(clone)
    planned = show_plan(read_plan(), ()).splitlines()
    assert planned[1:] == ["long is frozen and does not run: changed command", "0 of 3 stages may run"]


def test_frozen_stages_are_left_alone_when_all_is_forced():
    frozen, stale = Stage("long", "", (), (), frozen=True), Stage("first", "", (), ("modified",))
    after = Stage("longer", "", ("first",), (), frozen=True)
    assert clean_groups([frozen, stale, after]) == [[frozen], [after]]

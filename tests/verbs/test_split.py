"""Selection and splits: the paper's counts, and no group ever crosses."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_settings import PARAMS, dose
from split_tables import study_of

from pipeline_steps import split as split_stage
from pipeline_steps.parameters.scenarios import Scenario
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.scenarios import without_dose
from pipeline_steps.split import SplitParams, leakage, sizes, unusable
from pipeline_steps.stage import params as stage_params
from pipeline_steps.stage.errors import DataError


def split(table, scenario, draw, params):
    return split_stage.split(table, Scenario.model_validate(scenario), draw, params)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 25), min_size=64, max_size=64), st.sampled_from(["i", "ii", "iii"]), st.integers(0, 3))
def test_no_group_crosses(groups, scenario, draw):
    made = split(study_of(lambda i: f"g{groups[i]}"), scenario, draw, PARAMS)
    sides = made[made["partition"].isin(["train", "test", "test_light", "reference", "validation"])]
    by_group = sides.groupby("group")["partition"].agg(lambda p: {"test" if q.startswith("test") else q for q in p})
    for partitions in by_group:
        assert len(partitions) == 1
    assert len(made) == 64


def test_reported_leakage_is_left_in_and_stopped_by_default():
    table = study_of(lambda i: f"g{i % 4}")
    kept = split(table, "i", 0, PARAMS.model_copy(update={"leakage": "report"}))
    assert leakage(kept)["test"] > 0
    assert sizes(kept)["excluded"] == 0
    with pytest.raises(DataError, match="groups cross partitions"):
        split(table, "i", 0, PARAMS.model_copy(update={"leakage": "stop"}))


@pytest.mark.parametrize("sampler", ["per_condition", "per_level"])
def test_flexible_subsets_are_balanced_and_redrawn(sampler):
    params = PARAMS.model_copy(update={"sampler": sampler})
    table = study_of(str)
    tests = [split(table, "i", d, params).query("partition == 'test'") for d in range(3)]
    for t in tests:
        assert (t.groupby("condition").size() == 2).all()
        if sampler == "per_level":
            assert (t.groupby(["condition", "level"]).size() == 1).all()
    assert len({tuple(t["image_id"]) for t in tests}) > 1


def test_scenarios_differ_as_the_paper_says():
    made = {s: split(study_of(str), s, 0, PARAMS) for s in ("i", "ii", "iii")}
    trained = {s: m[m["partition"].isin(["train", "validation"])] for s, m in made.items()}
    assert set(trained["iii"]["population"]) == {"majority"}
    assert (trained["ii"]["population"] == "minority").sum() == 4
    assert (trained["i"]["population"] == "minority").sum() == 28
    assert set(made["ii"].query("partition == 'test'")["image_id"]) == set(
        made["iii"].query("partition == 'test'")["image_id"]
    )
    assert len(made["iii"].query("partition == 'reference'")) == 8


def test_too_few_images_say_what_to_change():
    with pytest.raises(DataError, match="flexible_per_condition"):
        split(study_of(str), "i", 0, PARAMS.model_copy(update={"flexible_per_condition": 20}))


def test_the_test_split_is_refused(tmp_path):
    split(study_of(str), "i", 0, PARAMS).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(DataError, match="for evaluate alone"):
        read_partition(tmp_path / "s.parquet", "train", "test")


def test_exclusions_are_counted_by_reason_and_level():
    crossing = split(study_of(lambda i: f"g{i % 4}"), "i", 0, PARAMS)
    dosed = split(study_of(str), dose(3), 0, PARAMS)
    for made, reason in ((crossing, "its group is in another partition"), (dosed, "beyond the dose")):
        excluded = made[made["partition"] == "excluded"]
        by_level = {str(t): n for t, n in excluded["level"].value_counts().sort_index().items()}
        assert by_level
        assert sizes(made).get("excluded_by_level") == {reason: by_level}
    assert (dosed.query("partition != 'excluded'")["because"] == "").all()


def test_doses_are_nested_and_change_nothing_but_training():
    table = study_of(str)
    whole, eight, three = (split(table, s, 1, PARAMS).set_index("image_id") for s in ("iii", dose(8), dose(3)))
    few, fewer = (set(t.index[t["partition"] == "train"]) for t in (eight, three))
    assert fewer < few < set(whole.index[whole["partition"] == "train"])
    assert three.loc[sorted(fewer)].groupby("condition").size().to_dict() == {"a": 3, "b": 3}
    for t in (eight, three):
        changed = whole["partition"] != t["partition"]
        assert set(whole["partition"][changed]) == {"train"}
        assert set(t["partition"][changed]) == {"excluded"}


def test_files_are_named_by_scenario_dose_and_draw(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["split", "--subset", "subset.parquet", "--out", "splits", "--metrics", "s.json"])
    monkeypatch.setattr(stage_params, "_READ", {})
    _run_split(tmp_path, study_of(str), scenarios=["iii", dose(3)], draws=[1])
    assert {f.name for f in (tmp_path / "splits").iterdir()} == {"iii-1.parquet", "iii_3_per_condition-1.parquet"}
    assert [without_dose(name) for name in json.loads((tmp_path / "s.json").read_text())] == ["iii", "iii"]


def _run_split(folder, table, **changes):
    """The stage, in ``folder``; what it wrote."""
    table.to_parquet(folder / "subset.parquet")
    params = {**PARAMS.model_dump(), **changes}
    (folder / "params.yaml").write_text(json.dumps({"split": params}))
    split_stage.main()


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A function from a subset to what the stage says of it; it must have written nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "sys.argv", ["split", "--subset", "subset.parquet", "--out", "splits", "--metrics", "split.json"]
    )

    def refused(table, **changes):
        with pytest.raises(DataError) as error:
            _run_split(tmp_path, table, **changes)
        assert not Path("splits").exists()
        assert not Path("split.json").exists()
        return str(error.value).splitlines()

    return refused


def _only(table, condition, populations):
    """``table`` without the condition's images of other populations."""
    return table[(table["condition"] != condition) | table["population"].isin(populations)].reset_index(drop=True)


def test_a_condition_on_dark_skin_alone_is_refused_where_nothing_could_learn_it(stage):
    lines = stage(_only(study_of(str), "b", ["minority"]))
    assert len(lines) == 1, "scenarios i and ii train on dark images, too"
    assert lines[0].startswith("scenario iii, draws 0, 1: train has no image of 'b', but test has 14; take")


def test_few_patients_leave_no_validation_and_every_mistake_is_named(stage):
    """Two patients have all light images: scenario iii can't give one of them to validation."""
    table = study_of(str)
    light = table["population"] == "majority"
    table.loc[light, "group"] = [f"p{i % 2}" for i in range(light.sum())]
    table = _only(table, "b", ["minority"])
    lines = stage(table, leakage="report")
    assert [line.split(":")[0] for line in lines] == ["scenario iii, draws 0, 1", "scenario iii, draws 0, 1"]
    assert "train has no image of 'b'" in lines[0]
    assert "validation has no image of any condition: no group fits into the share of 14 training" in lines[1]
    assert lines[-1].endswith("in 2 groups; raise split.validation_fraction to 0.5")
    once = study_of(str)
    once.loc[once["population"] == "majority", "group"] = "p"
    assert stage(once, leakage="report", scenarios=["iii"])[-1].endswith(
        "no other share or smaller flexible subset does: add patients"
    )


@settings(deadline=None, max_examples=25)
@given(patients=st.integers(2, 12), fraction=st.sampled_from([0.0, 0.02, 0.1]), flexible=st.integers(1, 9))
def test_the_numbers_that_an_empty_validation_asks_for_do(patients, fraction, flexible):
    table = study_of(str)
    table["group"] = [f"{population}{i % patients}" for i, population in enumerate(table["population"])]
    changes = {"validation_fraction": fraction, "flexible_per_condition": flexible, "scenarios": ("iii",)}
    params = SplitParams.model_validate({**PARAMS.model_dump(), **changes, "leakage": "report"})
    try:
        split_stage.split_all(table, params)
    except DataError as error:
        line = next(text for text in str(error).splitlines() if "validation has no image" in text)
        named = re.findall(r"(?:raise|lower) split\.(\w+) to ([\d.]+)", line)
        assert named or line.endswith("no other share or smaller flexible subset does: add patients")
        for key, value in named:
            number = float(value) if "." in value else int(value)
            split_stage.split_all(table, params.model_copy(update={key: number}))


def test_without_a_minority_or_a_majority_there_is_nothing_to_test_or_to_train_on(stage):
    table = study_of(str)
    assert "test has no image of any condition" in stage(table[table["population"] == "majority"])[-1]
    (line, *_) = stage(table[table["population"] == "minority"], scenarios=["iii"])
    assert "train has no image of 'a', but test has 14" in line


def test_all_conditions_with_too_few_images_are_named_at_once(stage):
    table = study_of(str).groupby(["condition", "population"]).head(3).reset_index(drop=True)
    lines = stage(table, flexible_per_condition=3)
    wanted = [(condition, population) for population in ("majority", "minority") for condition in "ab"]
    assert [line.split(", the flexible")[0] for line in lines] == [
        f"scenarios i, ii, iii, draws 0, 1: {condition} has 3 images of the {population}"
        for condition, population in wanted
    ]


def test_validation_never_holds_what_training_has_not(stage):
    """A group that holds images of two conditions may take all of the rarer one with it."""
    table = study_of(str)
    rare = table[(table["condition"] == "b") & (table["population"] == "majority")].index
    table = table.drop(rare[3:]).reset_index(drop=True)
    shared = table[(table["population"] == "majority")].groupby("condition").head(3).index
    table.loc[shared, "group"] = "one patient"
    found = [
        unusable(split(table, "iii", draw, PARAMS.model_copy(update={"validation_fraction": 0.6})))
        for draw in range(20)
    ]
    assert any("train has no image of 'b', but test has 14 and validation has" in " ".join(lines) for lines in found)


def test_what_later_stages_cope_with_is_said_and_not_refused(tmp_path, monkeypatch, stage):
    """A condition on light skin alone is trained, and there is nobody to test it on, or to compare with."""
    _run_split(tmp_path, _only(study_of(str), "b", ["majority"]), scenarios=["iii"])
    sizes_of = json.loads(Path("split.json").read_text())["iii"]["0"]
    assert sizes_of["without"] == {"test": ["b"]}
    assert sizes_of["test"] == 14

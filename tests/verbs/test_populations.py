"""People divided by any column of the manifest: the same path as skin type."""

import json
import re
import sys

import pandas as pd
import pytest
from conftest import copy_tree, repro, run
from pydantic import ValidationError
from ruamel.yaml import YAML

from pipeline_steps.configuration.fits import _scales
from pipeline_steps.configuration.overlay import merged
from pipeline_steps.configuration.population import PopulationParams
from pipeline_steps.parameters.population import Groups
from pipeline_steps.records.levels import levels
from pipeline_steps.reporting.results import read_json
from pipeline_steps.select_subset import SubsetParams, counts, drops, select
from pipeline_steps.stage.errors import DataError

SEX = Groups(column="gender", majority=("FEMALE",), minority=("male",), bands={})
SITE = {
    "bands": {},
    "column": "site",
    "levels": ["Graz", "Wien"],
    "majority": ["graz"],
    "minority": ["WIEN"],
    "check": None,
}


def _data(genders, each=3):
    rows = [{"condition": c, "gender": g} for c in ("a", "b") for g in genders for _ in range(each)]
    manifest = pd.DataFrame(rows)
    manifest["attributes"] = [json.dumps({"gender": g, "itch": "yes"}) for g in manifest.pop("gender")]
    manifest["image_id"] = manifest["sha256"] = [f"{i:03d}" for i in range(len(manifest))]
    manifest = manifest.assign(role="study", image_status="present", skin_scale="", skin_value="")
    groups = pd.DataFrame({"image_id": manifest["image_id"], "group": manifest["image_id"], "duplicate_of": ""})
    return manifest, groups.assign(conflict=False, ita=0.0)


def test_an_attribute_divides_people_as_skin_type_does():
    params = SubsetParams(conditions=("a", "b"), policy="clean")
    kept, dropped = select(*_data(["FEMALE", " Male", "", "unknown", "diverse"]), params, SEX)
    assert counts(kept) == {c: {"female": 3, "male": 3} for c in ("a", "b")}
    assert kept.groupby("population")["level"].unique().map(list).to_dict() == {
        "majority": ["female"],
        "minority": ["male"],
    }
    assert drops(dropped)["dropped"] == {
        "gender outside both groups": {"diverse": 6},
        "gender unknown": {"unknown": 12},
    }


def test_a_column_that_the_images_have_not_is_named_with_those_there():
    manifest, _ = _data(["FEMALE"])
    with pytest.raises(DataError, match=r"is 'sex', which the images have not; .*gender, itch.*ingest\.sources"):
        levels(manifest, "sex", {})


def test_levels_are_compared_whatever_their_case_and_written_as_numbers_or_words():
    words = {"person": {"GRAZ": "somebody in Graz", "Wien": "somebody in Vienna"}}
    read = PopulationParams.model_validate({**SITE, "words": words})
    assert (read.levels, read.majority, read.minority) == (("graz", "wien"), ("graz",), ("wien",))
    assert read.words["person"]["wien"] == "somebody in Vienna"
    assert Groups(column="site", majority=(1,), minority=("2",), bands={}).majority == ("1",)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"minority": ["graz"]}, "site graz can't be in majority and minority"),
        ({"minority": ["Linz"]}, "levels lacks linz"),
        ({"levels": ["graz", "wien", "Wien"]}, "names one twice"),
        ({"check": "ita"}, "site has no check"),
        ({"words": {"person": {"graz": "x"}}}, "words.person has none for level wien"),
        ({"words": {"person": {"graz": "x", "wien": "y", "linz": "z"}}}, "names linz, which is no level"),
        ({"majority": [True]}, "need quotes"),
        ({"column": "fitzpatrick_scale"}, "has the levels 1 to 6, and no graz, wien"),
    ],
)
def test_what_is_no_population_is_refused(wrong, said):
    with pytest.raises(ValidationError, match=said):
        PopulationParams.model_validate({**SITE, "words": {}, **wrong})


FOLDER = {"skin_type": "skin", "skin_scale": "monk10", "attributes": []}


@pytest.mark.parametrize(
    ("column", "source", "without_images", "said"),
    [
        ("fitzpatrick_scale", {}, False, "skin_scale is monk10: Fitzpatrick's scale .*Set population.column to monk10"),
        ("monk10", {"skin_scale": "fitzpatrick_from_0"}, False, "Set population.column to fitzpatrick_scale"),
        ("milk6", {}, False, "the two describe different things"),
        ("ita_type", {}, True, "without_images is true"),
        ("monk10", {}, False, None),
        ("fitzpatrick_scale", {"skin_type": ""}, False, None),
        ("milk6", {"attributes": ["milk6"]}, False, None),
        ("ita", {"skin_scale": "ita"}, True, None),
        ("ita_type", {}, False, None),
        ("sex", {}, True, None),
    ],
)
def test_a_scale_that_the_table_is_not_on_is_refused_before_anything_is_read(column, source, without_images, said):
    ingest = {"adapter": "folder", "without_images": without_images, "sources": {"folder": FOLDER | source}}
    lines = [*_scales({"population": {"column": column}, "ingest": ingest}, {})]
    assert [bool(re.search(said, line)) for line in lines] == [True] if said else lines == []


def _at_toy_scale(clone, profile):
    """A profile in ``clone`` of another one's study, at the size of the toy, with one augmenter."""
    folder, yaml = clone / "config/profiles", YAML(typ="safe")
    study, toy = (yaml.load((folder / f"{name}.yaml").read_text()) for name in (profile, "toy"))
    grid = dict.fromkeys({*study["grid"], "ablation"})
    comparison = {"augmenters": ["majority_to_minority"], "arms": ["real", "syn"]}
    small = {k: v for k, v in toy.items() if k not in ("ingest", "split", "grid")}
    made = merged(merged(study, small), {"grid": {**grid, "comparison": comparison}})
    made["ingest"]["image_size"] = 32
    with (folder / "small.yaml").open("w") as file:
        file.write("# A small study.\n")
        YAML().dump(made, file)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "levels", "said"),
    [("pad_ufes", {"1", "2", "3", "4"}, "skin type"), ("pad_ufes_sex", {"female", "male"}, "gender")],
)
def test_photographs_by_any_column_from_the_table_to_the_report(
    profile, levels, said, real_data, tmp_path, monkeypatch
):
    monkeypatch.setenv("EQUIDERM_REAL_DATA", str(real_data))
    clone = copy_tree(tmp_path / "clone")
    _at_toy_scale(clone, profile)
    run(sys.executable, "-m", "pipeline_steps.configure", "small", cwd=clone)
    repro(clone)
    counted = read_json(clone / "metrics/subset.json")["counts"]
    assert {level for by_level in counted.values() for level in by_level} == levels
    minority = levels - {"1", "2", "female"}
    made = pd.read_csv(next((clone / "data/synthetic").glob("*/metadata.csv")), dtype=str)
    assert set(made["target_level"]) <= minority | {"5"}
    for file in (clone / "metrics/classification").glob("*.json"):
        assert set(read_json(file)["test"]["by_level"]["accuracy"]) <= minority
    page = re.sub("<details.*?</details>", "", (clone / "report/index.html").read_text(), flags=re.DOTALL)
    assert said in page
    assert said == "skin type" or "skin type" not in page

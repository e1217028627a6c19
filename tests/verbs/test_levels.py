"""Studies in which the group of skin types is all that is known (DDI's 12, 34, 56), from selection to measures."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pipeline_steps import caption, evaluate, finetune
from pipeline_steps.captions.backends.template import TemplateParams
from pipeline_steps.captions.captioner import Study
from pipeline_steps.diffusion.conditioning import Tokens
from pipeline_steps.generation.jobs import aimed, plan_jobs
from pipeline_steps.items.store import ItemStore
from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.parameters.population import Groups
from pipeline_steps.records.captioned import read_captions
from pipeline_steps.records.populations import SKIN_TYPE, level_name, levels_name
from pipeline_steps.records.skin_scales import parse_skin, skin_columns
from pipeline_steps.records.skin_types import as_groups, group_of, levels_within
from pipeline_steps.score_fid import FidParams, Images, made_images, score
from pipeline_steps.screen import consistency
from pipeline_steps.select_subset import SubsetParams, counts, drops, select
from pipeline_steps.split import SplitParams, split

TONES = {"1": "very light", "2": "light", "3": "light brown", "4": "brown", "5": "dark", "6": "very dark"}
FID = FidParams(
    interval_draws=100,
    part_interval_draws=0,
    interval_groups=4,
    accuracy_draws=100,
    minimum_images=4,
    manifold_neighbours=1,
    neighbours=1,
    seed=0,
)


def _data(levels, each=12):
    """A manifest and groups with ``each`` images of two conditions for every level: a type, a group or "" (unknown)."""
    rows = [(condition, level) for condition in ("benign", "malignant") for level in levels for _ in range(each)]
    skin = skin_columns(parse_skin(level, "fitzpatrick", "clinician") for _, level in rows)
    manifest = pd.DataFrame({"condition": [condition for condition, _ in rows], "attributes": "{}", **skin})
    manifest["image_id"] = manifest["sha256"] = [f"{i:04d}" for i in range(len(manifest))]
    manifest = manifest.assign(role="study", image_status="present")
    groups = pd.DataFrame({"image_id": manifest["image_id"], "group": manifest["image_id"], "duplicate_of": ""})
    return manifest, groups.assign(conflict=False, ita=0.0)


def _select(levels, majority=(1, 2), minority=(5, 6)):
    params = SubsetParams(conditions=("benign", "malignant"), policy="clean")
    kept, dropped = select(
        *_data(levels), params, Groups(column="fitzpatrick_scale", majority=majority, minority=minority, bands={})
    )
    return kept, drops(dropped)["dropped"]


def _split(kept, scenario="ii"):
    params = SplitParams(
        scenarios=(scenario,),
        draws=(0,),
        flexible_per_condition=6,
        sampler="per_level",
        validation_fraction=0.2,
        leakage="exclude",
        seed=0,
    )
    return split(kept, params.scenarios[0], 0, params)


def test_groups_are_used_where_majority_and_minority_are_whole_groups():
    kept, dropped = _select(["12", "34", "56", ""])
    assert dropped == {"skin type outside both groups": {"34": 24}, "skin type unknown": {"unknown": 24}}
    assert counts(kept) == {c: {"12": 12, "56": 12} for c in ("benign", "malignant")}
    assert kept.groupby("population")["level"].unique().map(list).to_dict() == {
        "majority": ["12"],
        "minority": ["56"],
    }


def test_types_beside_groups_count_by_their_group():
    kept, dropped = _select(["1", "2", "12", "5", "6", "56", "34"], minority=(3, 4, 5, 6))
    assert dropped == {}
    assert counts(kept)["benign"] == {"12": 36, "34": 12, "56": 36}
    assert set(kept.loc[kept["population"] == "minority", "level"]) == {"34", "56"}


def test_types_stay_types_where_all_are_known():
    kept, _ = _select(["1", "2", "5", "6"])
    assert counts(kept)["benign"] == {"1": 12, "2": 12, "5": 12, "6": 12}


def test_groups_that_the_cut_goes_through_are_left_out_and_counted():
    kept, dropped = _select(["1", "2", "12", "3", "4", "34", "56"], minority=(4, 5, 6))
    assert dropped == {
        "skin type known by its group alone": {"12": 24, "34": 24, "56": 24},
        "skin type outside both groups": {"3": 24},
    }
    assert counts(kept)["benign"] == {"1": 12, "2": 12, "4": 12}
    _, outside = _select(["1", "2", "6", "34"], minority=(6,))
    assert outside == {"skin type outside both groups": {"34": 24}}


@pytest.mark.parametrize("wrong", [{"minority": (2, 5)}, {"minority": ()}, {"majority": (0, 1)}, {"minority": (56,)}])
def test_groups_of_no_meaning_are_refused(wrong):
    given = {"column": "fitzpatrick_scale", "bands": {}, "majority": (1, 2), "minority": (5, 6)}
    Groups.model_validate(given)
    with pytest.raises(ValidationError):
        Groups.model_validate({**given, **wrong})


def _captions(folder, rows, words=TONES):
    params = TemplateParams(
        backend="template", level_words=words, templates=("{token} on {level} skin",), condition_templates={}
    )
    made = caption.caption(params, Study(rows, folder, ItemStore(folder / "items")), list(TONES))
    table = {"image_id": rows["image_id"], "caption": made.captions, "short_caption": made.short_captions}
    pd.DataFrame(table).to_parquet(folder / "captions.parquet")
    (folder / "words.json").write_text(json.dumps(params.level_words))
    return read_captions(folder)


def _said(captions, train):
    """What fine-tuning says of each training image's skin."""
    seen = []
    m = SimpleNamespace(
        captions=captions, tokens=Tokens({}), dataset=SimpleNamespace(images=lambda _ids: None), f=0, c=0
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune, "default_store", lambda: None)
        patch.setattr(finetune, "encode_images", lambda *_: (None, None))
        patch.setattr(finetune, "embed_prompts", lambda _f, _c, _t, said, _s: seen.extend(said))
        training = SimpleNamespace(batch_size=1, snr_gamma=0)
        finetune._examples(m, train, SimpleNamespace(training=training, lesion_weight=1, task="image"))
    return {(level, p.text.split(" on ")[1]) for level, p in zip(train["level"], seen, strict=True)}


def test_a_group_has_words_of_its_own_or_those_of_one_of_its_types(tmp_path):
    rows = _split(_select(["12", "34", "56"], minority=(3, 4, 5, 6))[0], "i").query("partition == 'train'")
    assert _said(_captions(tmp_path, rows), rows) == {("12", "light skin"), ("34", "brown skin"), ("56", "dark skin")}
    named = _captions(tmp_path, rows, {**TONES, "56": "dark to very dark"})
    assert _said(named, rows) == {("12", "light skin"), ("34", "brown skin"), ("56", "dark to very dark skin")}


def _features(rows, seed):
    """Features of whose first number the level's group decides."""
    noise = np.random.default_rng(seed).normal(size=(len(rows), 4)).astype(np.float32)
    noise[:, 0] += 20 * np.array([int(group_of(level)) for level in rows])
    return noise


def test_generated_images_are_measured_against_the_group_that_they_were_made_for():
    parts = dict(iter(_split(_select(["12", "34", "56"], minority=(3, 4, 5, 6))[0], "iii").groupby("partition")))
    params = JobParams(
        mode="any", images_per_source=4, max_sources=0, target_levels="minority", level_choice="balanced", seed=0
    )
    jobs = pd.DataFrame(plan_jobs(parts["train"], aimed(params, ("3", "4", "5", "6"))))
    assert set(jobs["source_level"]) == {"12"}
    assert set(jobs["target_level"]) == {"3", "4", "5", "6"}, "words and colours are of types"
    real = Images(parts["reference"], _features(parts["reference"]["level"], 0))
    made = made_images(jobs, parts["train"], _features(jobs["target_level"], 1), SKIN_TYPE)
    found = score(real, made, real.of(level="12"), FID)
    assert set(found["by_level"]) == {"34", "56"}
    for level, mine in found["by_level"].items():
        assert mine["real"] == (real.rows["level"] == level).sum() > 0
        assert mine["generated"] == len(jobs) / 2
        assert mine["frechet_distance"] < 20, "of the other group it would be 440² away"


def test_generated_images_of_a_study_of_types_stay_apart_by_type():
    train = pd.DataFrame({"image_id": ["a"], "sha256": ["0"], "group": ["g"], "level": ["1"]})
    table = pd.DataFrame({"source_id": ["a", "a"], "target_level": ["5", "6"]})
    assert list(made_images(table, train, np.zeros((2, 1), np.float32), SKIN_TYPE).rows["level"]) == ["5", "6"]


def test_tests_are_scored_by_group():
    tests = _split(_select(["12", "34", "56"], minority=(3, 4, 5, 6))[0]).query("partition == 'test'")
    table = tests.reset_index(drop=True).assign(predicted="benign")
    table[["p:benign", "p:malignant"]] = (0.6, 0.4)
    params = EvaluationParams(bootstrap_draws=100, seed=0, minimum_level_images=4)
    found = evaluate.score(table, params)["by_level"]
    assert found["compared"] == ["34", "56"]
    assert found["accuracy"] == {"34": 0.5, "56": 0.5}
    assert set(found["accuracy_interval"]) == {"34", "56"}
    assert set(consistency(tests, tests["condition"].to_numpy(str), "level")) == {"34", "56"}


def test_names_of_levels():
    assert [level_name(SKIN_TYPE, level) for level in ("1", "4", "12", "34", "56")] == [
        "I",
        "IV",
        "I-II",
        "III-IV",
        "V-VI",
    ]
    assert levels_name(SKIN_TYPE, ["4"]) == "skin type IV"
    assert levels_name(SKIN_TYPE, ["6", "5"]) == "skin types V, VI"
    assert levels_name(SKIN_TYPE, ["56"]) == "skin types V-VI"
    assert levels_name("sex", ["female"]) == "sex female"
    assert levels_within(("3", "4", "5")) == ("3", "4", "5", "34")
    assert as_groups(("1", "2")) == ("12",)
    assert as_groups(("3", "4", "5", "6")) == ("34", "56")
    assert as_groups(("4", "5", "6")) is None

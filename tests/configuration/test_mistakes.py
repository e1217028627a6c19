"""Parameters are checked before the first stage: every mistake at once, with place, fact and what may be meant."""

import copy
import datetime as dt
import re
from pathlib import Path

import pytest
from conftest import ROOT
from spoilt import DEFAULT, mistakes_in, spoil

from pipeline_steps.configuration.check import checked_cells
from pipeline_steps.configuration.sections import section_mistakes

SPOILT = {  # a value that looks right to a hurried eye, and what is said of it
    "ingest.image_size": (50, r"ingest\.image_size is 50, no multiple of 4 as base model sd .* 48 or 52$"),
    "ingest.resize": ("crop", r"ingest\.resize is 'crop', none of center_crop, .*; did you mean center_crop\?"),
    "ingest.adapter": ("fitzpatrick", r"ingest\.adapter .*; did you mean fitzpatrick17k or fitzpatrick17k_c\?"),
    "base_models.sd.dtype": ("bf16", r"base_models\.sd\.dtype is 'bf16', .*; did you mean bfloat16\?"),
    "base_models.sd.family": ("stable-diffusion", r"base_models\.sd\.family .*; did you mean stable_diffusion\?"),
    "captioners.reports_local.dtype": ("half", r"captioners\.reports_local\.dtype is 'half', none of float32"),
    "captioners.template.backend": ("templates", r"captioners\.template\.backend .*; did you mean template\?"),
    "captioners.concepts.text": ("a {token} on {level} skin", r"captioners\.concepts\.text .* hold \{concepts\}"),
    "adapters.lora_tokens.training.schedule": ("constant_with_warmup", r"schedule is .*; did you mean constant\?"),
    "adapters.lora_tokens.method": ("Lora", r"adapters\.lora_tokens\.method is 'Lora', .*; did you mean lora\?"),
    "adapters.lora_tokens.rank": (0, r"adapters\.lora_tokens\.rank is 0: it should be greater than 0"),
    "augmenters.majority_to_minority.mode": ("img2image", r"majority_to_minority\.mode .*; did you mean img2img"),
    "augmenters.majority_to_minority.scheduler": ("DPMSolver++", r"\.scheduler is .*; did you mean DPMSolver\w+"),
    "augmenters.dermaflux.scheduler": ("EulerDiscreteScheduler", r"dermaflux\.scheduler is .* \(of those for flux\)"),
    "augmenters.lesiongen.scheduler_options": ({"algoritm_type": "x"}, r"names 'algoritm_type'.*algorithm_type"),
    "augmenters.majority_to_minority.strength": (1.5, r"majority_to_minority\.strength is 1\.5: .* equal to 1"),
    "augmenters.majority_to_minority.inversion": ("token", r"names inversions\.token,.*; did you mean tokens\?"),
    "augmenters.majority_to_minority.target_levels": (
        [5, True],
        r"target_levels.* is true: .* true and false need quotes",
    ),
    "population.column": ("", r"population\.column is ''"),
    "population.levels": ([], r"population\.levels is \[\]"),
    "population.check": ("ITA", r"population\.check is 'ITA', none of ita; did you mean ita\?"),
    "captioners.template.level_words": (
        "persn",
        r"template\.level_words is 'persn', .*; did you mean person\? .*population\.words",
    ),
    "subset.policy": ("paper", r"subset\.policy is 'paper', .*; did you mean paper_exact\?"),
    "split.sampler": ("per-type", r"split\.sampler .*; did you mean per_level"),
    "split.leakage": ("excluded", r"split\.leakage .*; did you mean exclude\?"),
    "split.validation_fraction": (15, r"split\.validation_fraction is 15: it should be less than 1"),
    "features.extractor": ("inception_v3", r"features\.extractor .*; did you mean inception\?"),
    "screen.memorisation_quantile": (1, r"screen\.memorisation_quantile is 1"),
    "arms.syn.images": ("synthetic", r"arms\.syn\.images .*; did you mean syn\?"),
    "arms.classic.policy": ("randaugment", r"arms\.classic\.policy .*; did you mean rand_augment"),
    "classifier.schedule": ("cos", r"classifier\.schedule .*; did you mean cosine\?"),
    "classifier.learning_rate": (float("nan"), r"classifier\.learning_rate is nan: .* finite"),
    "grid.comparison.architectures": (["resnet_smal"], r"names 'resnet_smal', .*; did you mean resnet_small"),
    "grid.comparison.scenarios": (["iv"], r"grid\.comparison\.scenarios names 'iv', which split\.scenarios does not"),
    "segmenter.encoder": ("resnet-18", r"segmenter\.encoder .*; did you mean resnet18"),
    "population.words.skin": ({"1": "light"}, r"population: words\.skin has none for level 2, 3, 4, 5, 6"),
    "population.minority": ([2, 5], r"population: skin type II can't be in majority and minority"),
    "compute.threads": (0, r"compute\.threads is 0: it should be greater than"),
}


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def params():
    return copy.deepcopy(DEFAULT)


@pytest.mark.parametrize("place", SPOILT)
def test_each_mistake_is_named_with_its_place_and_what_may_be_meant(params, place):
    value, said = SPOILT[place]
    params["grid"]["comparison"]["augmenters"] += ["dermaflux", "lesiongen"]
    checked_cells(params)
    spoil(params, place, value)
    assert re.search(said, mistakes_in(params), re.MULTILINE)


WRONG_KINDS = (None, True, 7, -1.5, "nonsense", "", [], [1, 2, 3], [None], {}, {"a": 1}, dt.date(2020, 1, 1), 10**30)
FOREIGN = re.compile(r"Input|valid |[Tt]uple|[Dd]ictionary|String|instance|None|True|False|pydantic|Error")


def test_no_word_of_the_library_reaches_a_person(params):
    """Whatever stands anywhere in the parameters in place of what should."""

    def mistakes(node, section):
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            for wrong in WRONG_KINDS:
                node[key] = wrong
                yield from (line for line in section_mistakes({section: params[section]}) if "is missing" not in line)
            node[key] = value
            if isinstance(value, (dict, list)):
                yield from mistakes(value, section)

    said = [line for section in params for line in mistakes(params[section], section)]
    assert len(said) > 1000
    assert [line for line in said if FOREIGN.search(line)] == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            True,
            "subset.conditions.0 is true: it should be text, and YAML reads this as true or false: put it in quotes",
        ),
        (0, r"subset.conditions.0 is 0: it should be text, and YAML reads this as a number: .* '0'"),
        (dt.date(2020, 1, 2), "is 2020-01-02: .* as a date: put it in quotes, '2020-01-02'"),
    ],
)
def test_a_label_that_yaml_takes_for_something_else_is_to_be_quoted(params, value, said):
    params["subset"]["conditions"] = [value, "psoriasis"]
    assert re.search(said, mistakes_in(params))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("screen.mask_area", 0.5, r"screen\.mask_area is 0\.5: it should be a list, such as"),
        ("screen.mask_area", [0.5], r"screen\.mask_area lacks 1|at least 2 values"),
        ("population.minority", [], r"population\.minority is \[\]: it needs at least 1 value, and has 0"),
    ],
)
def test_a_list_that_is_none_or_too_short_is_told_in_plain_words(params, place, value, said):
    spoil(params, place, value)
    assert re.search(said, mistakes_in(params))


def test_a_home_that_only_a_shell_knows_is_refused_with_the_whole_path(params):
    params["ingest"]["adapter"] = "folder"
    params["ingest"]["sources"]["folder"] |= {"csv": "~/set/labels.csv", "images": "~ann/set"}
    text = mistakes_in(params)
    assert f"~/set/labels.csv (table) begins with ~, which only a shell reads as your home; write {Path.home()}" in text
    assert "~ann/set (images) begins with ~" in text


def test_a_skin_type_without_words_or_colours_is_found_before_the_first_stage(params):
    for name, entry in params["captioners"].items():
        if name == "template":
            del entry["level_words"]["3"], entry["level_words"]["5"]
    assert "captioners.template.level_words has no phrase for skin types III, V; add the keys 3, 5" in mistakes_in(
        params
    )
    params = copy.deepcopy(DEFAULT)
    params["grid"]["comparison"]["augmenters"] = ["tone_transfer"]
    del params["augmenters"]["tone_transfer"]["ita"]["6"]
    assert "augmenters.tone_transfer.ita has no entry for skin type VI; add the key 6" in mistakes_in(params)
    params["population"]["minority"] = [5]
    checked_cells(params)


def test_templates_that_speak_of_others_than_the_majority_are_refused(params):
    params["population"] |= {"majority": [5, 6], "minority": [1, 2]}
    said = "inversions.tokens.templates speak of level 1, 2, and the majority is skin types V, VI: write templates"
    assert said in mistakes_in(params)
    params["inversions"]["tokens"]["levels"] = []
    checked_cells(params)


def test_all_mistakes_are_named_at_once(params):
    chosen = {place: spoilt for place, spoilt in SPOILT.items() if not place.startswith(("augmenters", "base_models"))}
    for place, (value, _) in list(chosen.items())[:14]:
        spoil(params, place, value)
    text = mistakes_in(params)
    lacking = [place for place, (_, said) in list(chosen.items())[:14] if not re.search(said, text, re.MULTILINE)]
    assert lacking == []


def test_a_message_is_a_screen_at_most_and_ends_with_a_mistake(params):
    for a in params["augmenters"].values():
        a["misspelt"] = 1
    for a in params["adapters"].values():
        a["misspelt"] = 1
    lines = mistakes_in(params).splitlines()
    assert len(lines) <= 24
    assert lines[0].endswith(f": {len(params['augmenters']) + len(params['adapters'])} mistakes")
    assert "misspelt is no parameter" in lines[-1]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("classifer", "classifier"), ("Split", "split"), ("augmenter", "augmenters"), ("captioner", "captioners")],
)
def test_a_misspelt_section_is_refused(params, wrong, meant):
    params[wrong] = params.pop(meant)
    text = mistakes_in(params)
    assert f"{wrong} is no section; did you mean {meant}" in text
    assert f"section {meant} is missing" in text


@pytest.mark.parametrize(
    ("section", "wrong", "meant"),
    [
        ("population", "majorty", "majority"),
        ("classifier", "update", "updates"),
        ("ingest.sources.phantom", "seeds", "seed"),
        ("adapters.lora_tokens.training", "lr_schedule", "schedule"),
        ("captioners.reports.budget", "request", "requests"),
    ],
)
def test_a_misspelt_key_is_refused_wherever_it_stands(params, section, wrong, meant):
    spoil(params, f"{section}.{wrong}", 1)
    assert re.search(rf"{section}\.{wrong} is no parameter; did you mean {meant}", mistakes_in(params))

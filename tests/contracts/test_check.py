"""Parameters are checked before the first stage: every mistake at once, with place, fact and what may be meant."""

import copy
import datetime as dt
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, repro, run, whole
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline_steps import configure
from pipeline_steps.configuration import vocabulary
from pipeline_steps.configuration.check import check, checked_cells
from pipeline_steps.configuration.fits import autoencoder_factor
from pipeline_steps.configuration.overlay import changes, difference, merged
from pipeline_steps.configuration.profiles import made, profile_in_use
from pipeline_steps.configuration.prune import clear, prune
from pipeline_steps.configuration.sections import NAMED, SECTIONS, TAGGED, section_mistakes
from pipeline_steps.parameters.base_training import BaseParams
from pipeline_steps.parameters.captioner_training import CaptionerTraining
from pipeline_steps.parameters.feature_training import FeatureTraining
from pipeline_steps.parameters.flux_training import FluxTraining
from pipeline_steps.parameters.inpaint_training import InpaintTraining
from pipeline_steps.stage.params import SHIPPED_FILE, ParamsError, read_yaml
from pipeline_steps.stage.wiring import NOTHING, check_images, check_wiring, on_split
from pipeline_steps.stage.yaml_mistakes import parse_yaml

DEFAULT = whole("endpoints")
DEFAULT["grid"] = whole()["grid"]
DEFAULT["augmenters"] = whole()["augmenters"] | DEFAULT["augmenters"]
SHIPPED = {
    "base_training": BaseParams,
    "inpaint_training": InpaintTraining,
    "flux_training": FluxTraining,
    "captioner_training": CaptionerTraining,
    "feature_training": FeatureTraining,
}
SPOILT = {  # a value that looks right to a hurried eye, and what is said of it
    "ingest.image_size": (50, r"ingest\.image_size is 50, no multiple of 4 as base model sd .* 48 or 52$"),
    "ingest.resize": ("crop", r"ingest\.resize is 'crop', none of center_crop, .*; did you mean center_crop\?"),
    "ingest.adapter": ("fitzpatrick", r"ingest\.adapter .*; did you mean fitzpatrick17k\?"),
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


def _spoil(params, place, value):
    *parents, last = place.split(".")
    node = params
    for key in parents:
        node = node[key]
    node[last] = value


def _mistakes(params):
    with pytest.raises(ParamsError) as caught:
        checked_cells(params)
    return str(caught.value)


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
    _spoil(params, place, value)
    assert re.search(said, _mistakes(params), re.MULTILINE)


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
    assert re.search(said, _mistakes(params))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("screen.mask_area", 0.5, r"screen\.mask_area is 0\.5: it should be a list, such as"),
        ("screen.mask_area", [0.5], r"screen\.mask_area lacks 1|at least 2 values"),
        ("population.minority", [], r"population\.minority is \[\]: it needs at least 1 value, and has 0"),
    ],
)
def test_a_list_that_is_none_or_too_short_is_told_in_plain_words(params, place, value, said):
    _spoil(params, place, value)
    assert re.search(said, _mistakes(params))


def test_data_that_are_not_there_are_told_when_they_are_named(place, capsys):
    (place / "pipeline_steps").symlink_to(ROOT / "pipeline_steps")
    configure.choose("default")
    assert capsys.readouterr().err == ""
    overlay = "ingest: {adapter: folder, sources: {folder: {csv: gone/labels.csv, images: gone}}}\n"
    (place / "config/profiles/mine.yaml").write_text(overlay)
    configure.choose("mine")
    said = "warning: ingest.adapter folder reads gone/labels.csv (table), gone (images), and nothing is there"
    assert capsys.readouterr().err.startswith(said)
    done = run(
        sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=place, env_extra={"PYTHONPATH": str(ROOT)}
    )
    assert done.stderr.startswith(said)


def test_a_home_that_only_a_shell_knows_is_refused_with_the_whole_path(params):
    params["ingest"]["adapter"] = "folder"
    params["ingest"]["sources"]["folder"] |= {"csv": "~/set/labels.csv", "images": "~ann/set"}
    text = _mistakes(params)
    assert f"~/set/labels.csv (table) begins with ~, which only a shell reads as your home; write {Path.home()}" in text
    assert "~ann/set (images) begins with ~" in text


def test_a_skin_type_without_words_or_colours_is_found_before_the_first_stage(params):
    for name, entry in params["captioners"].items():
        if name == "template":
            del entry["level_words"]["3"], entry["level_words"]["5"]
    assert "captioners.template.level_words has no phrase for skin types III, V; add the keys 3, 5" in _mistakes(params)
    params = copy.deepcopy(DEFAULT)
    params["grid"]["comparison"]["augmenters"] = ["tone_transfer"]
    del params["augmenters"]["tone_transfer"]["ita"]["6"]
    assert "augmenters.tone_transfer.ita has no range for skin type VI; add the key 6" in _mistakes(params)
    params["population"]["minority"] = [5]
    checked_cells(params)


def test_templates_that_speak_of_others_than_the_majority_are_refused(params):
    params["population"] |= {"majority": [5, 6], "minority": [1, 2]}
    said = "inversions.tokens.templates speak of level 1, 2, and the majority is skin types V, VI: write templates"
    assert said in _mistakes(params)
    params["inversions"]["tokens"]["levels"] = []
    checked_cells(params)


NO_YAML = {
    "a: 1\na: 2\n": "line 2, column 1: the key a stands twice",
    "a: [1, 2\nb: 3\n": "line 1, column 4: a bracket or brace is not closed",
    "a: [1,": "line 1, column 7: a bracket or brace is not closed",
    "a:\n\tb: 1\n": "line 2, column 1: a tab; indent with blanks",
    "a: 'x\nb: 2\n": "line 1, column 4: a quote that is opened here is not closed",
    "a: b: c\n": "line 1, column 5: a colon that can begin no value",
    "a:\n  b: 1\n c: 2\n": "line 3, column 2: indented unlike the lines above",
    "a: 1\nb\n": "line 2, column 2: a key without a colon",
    "a: *x\n": "line 1, column 4: YAML reads a word after \\* as a reference",
    "a: @x\n": "line 1, column 4: no text can begin with @; put it in quotes",
    "a: !!python/object/apply:os.system [id]\n": "line 1, column 4: the tag !!python/object/apply:os.system would",
    "a: x\x07\n": "line 1, column 5: a control character",
    "b: 1\na: [2020-13-45]\n": "line 2, column 5: YAML reads 2020-13-45 as a date, and it is none",
    "a: 1\n---\nb: 2\n": "line 2, column 1: a second document",
}


@pytest.mark.parametrize("text", NO_YAML)
def test_what_is_no_yaml_is_told_with_line_column_and_remedy_in_one_line(place, text):
    (place / "config/profiles/mine.yaml").write_text(text)
    with pytest.raises(ParamsError, match=f"^config/profiles/mine.yaml, {NO_YAML[text]}") as caught:
        configure.choose("mine")
    assert "\n" not in str(caught.value)
    for file, name in (("params.yaml", "toy"), ("config/base.yaml", "default"), ("config/base.yaml", "toy")):
        kept = Path(file).read_text()
        Path(file).write_text(text)
        with pytest.raises(ParamsError, match=f"{file}, {NO_YAML[text]}"):
            configure.choose(name)
        Path(file).write_text(kept)
    (place / "cells.yaml").write_text(text)
    (place / "pipeline_steps").symlink_to(ROOT / "pipeline_steps")
    with pytest.raises(
        ParamsError, match=rf"^cells.yaml, {NO_YAML[text]}.*; run: python -m pipeline_steps\.configure --cells$"
    ):
        check()


@settings(deadline=None, max_examples=300)
@given(st.text("ab:-[]{},'\"&*!|>%@`#? \t\n\\0129.", max_size=24))
def test_no_text_breaks_the_reader(text):
    said = _refused(text)
    assert re.fullmatch(r"(line \d+, column \d+: .+)?", said), said


def _refused(text):
    try:
        parse_yaml(text)
    except ValueError as error:
        return str(error)
    return ""


def test_all_mistakes_are_named_at_once(params):
    chosen = {place: spoilt for place, spoilt in SPOILT.items() if not place.startswith(("augmenters", "base_models"))}
    for place, (value, _) in list(chosen.items())[:14]:
        _spoil(params, place, value)
    text = _mistakes(params)
    lacking = [place for place, (_, said) in list(chosen.items())[:14] if not re.search(said, text, re.MULTILINE)]
    assert lacking == []


def test_a_message_is_a_screen_at_most_and_ends_with_a_mistake(params):
    for a in params["augmenters"].values():
        a["misspelt"] = 1
    for a in params["adapters"].values():
        a["misspelt"] = 1
    lines = _mistakes(params).splitlines()
    assert len(lines) <= 24
    assert lines[0].endswith(f": {len(params['augmenters']) + len(params['adapters'])} mistakes")
    assert "misspelt is no parameter" in lines[-1]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("classifer", "classifier"), ("Split", "split"), ("augmenter", "augmenters"), ("captioner", "captioners")],
)
def test_a_misspelt_section_is_refused(params, wrong, meant):
    params[wrong] = params.pop(meant)
    text = _mistakes(params)
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
    _spoil(params, f"{section}.{wrong}", 1)
    assert re.search(rf"{section}\.{wrong} is no parameter; did you mean {meant}", _mistakes(params))


def test_a_size_must_fit_every_base_model_of_the_grid_and_no_other(params):
    params["ingest"]["image_size"] = 60  # 15 latents a side: Flux packs two by two of them
    checked_cells(params)
    params["grid"]["comparison"]["augmenters"] = ["dermaflux"]
    assert "ingest.image_size is 60, no multiple of 8 as base model flux needs" in _mistakes(params)


@pytest.mark.parametrize(("family", "sizes"), [("stable_diffusion", (504, 500)), ("flux", (1008, 1000))])
def test_a_hub_model_that_is_not_here_is_taken_to_be_like_all_of_its_family(params, family, sizes):
    params["base_models"]["sd"] = {"family": family, "location": "nobody/nothing", "revision": None, "dtype": "float32"}
    plain = "img2img_tokens_lora_untrained"
    block = params["grid"]["comparison"] | {"augmenters": [plain], "architectures": [], "arms": []}
    params["grid"] = {"b": block}
    params["augmenters"] = {plain: params["augmenters"][plain]}
    if family == "flux":
        flow = {"scheduler": "FlowMatchEulerDiscreteScheduler", "scheduler_options": {}}
        params["augmenters"][plain] |= flow
    params["ingest"]["image_size"] = sizes[0]
    checked_cells(params)
    params["ingest"]["image_size"] = sizes[1]
    assert f"ingest.image_size is {sizes[1]}, no multiple of" in _mistakes(params)


@pytest.mark.parametrize(
    ("config", "factor"),
    [
        ({"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512]}, 8),
        ({"_class_name": "AutoencoderKL", "block_out_channels": [32, 64]}, 2),
        ({"_class_name": "AutoencoderTiny", "encoder_block_out_channels": [64] * 4}, 8),
    ],
)
def test_the_factor_is_that_of_the_autoencoder(tmp_path, config, factor):
    import diffusers
    import torch

    (tmp_path / "vae").mkdir()
    (tmp_path / "vae/config.json").write_text(json.dumps(config))
    found = autoencoder_factor({"family": "flux", "location": str(tmp_path), "revision": None})
    assert found == factor
    small = [c // 8 if c > 32 else c for c in config.get("block_out_channels", [])]
    blocks = {
        f"{way}_block_types": [f"{way.capitalize()}{kind}Block2D"] * len(small)
        for way, kind in (("down", "Encoder"), ("up", "Decoder"))
    }
    if small:
        vae = diffusers.AutoencoderKL(block_out_channels=small, norm_num_groups=8, **blocks)
        latents = vae.encode(torch.zeros(1, 3, 32, 32)).latent_dist.mean
    else:
        latents = diffusers.AutoencoderTiny().encode(torch.zeros(1, 3, 32, 32)).latents
    assert latents.shape[-1] == 32 // factor


def test_vocabularies_are_those_of_the_libraries():
    import diffusers
    import segmentation_models_pytorch as smp
    import timm

    from pipeline_steps.vision.networks import SMALL

    assert set(vocabulary.NETWORKS) == set(SMALL)
    theirs = {*timm.list_models(), *timm.list_models(pretrained=True)}
    assert [name for name in theirs if not vocabulary.is_network(name)] == []
    assert [name for name in vocabulary.networks() if not timm.is_model(name)] == []
    assert vocabulary.encoders() == set(smp.encoders.get_encoder_names())
    known = {name.name for name in diffusers.schedulers.KarrasDiffusionSchedulers}
    assert known <= set(vocabulary.schedulers("stable_diffusion"))
    for family in ("stable_diffusion", "flux"):
        assert all(hasattr(diffusers, name) for name in vocabulary.schedulers(family))


def _all_entries(params):
    """Place, model and values of each section and entry, of shipped models' training too."""
    yield from ((section, model, params[section]) for section, model in SECTIONS.items())
    yield from ((section, SHIPPED[section], node) for section, node in read_yaml(SHIPPED_FILE).items())
    for section in (*NAMED, *TAGGED):
        for name, entry in params[section].items():
            model = NAMED.get(section) or TAGGED[section][0][entry[TAGGED[section][1]]]
            if entry:
                yield f"{section}.{name}", model, entry


def test_every_number_has_bounds_and_every_word_of_a_vocabulary_is_closed(params):
    """Not all of a type is right for a parameter: -1e9 is no number of steps, and 'nonsense' no way to resize."""
    free = {
        "seed",
        "location",
        "revision",
        "model",
        "base_url",
        "key_variable",
        "csv",
        "images",
        "masks",
        "file",
        "folder",
    }
    free |= {"mask", "image_id", "condition", "skin_type", "patient_id", "lesion_id", "subfolder", "initializer_token"}
    free |= {"skincon", "prompt", "part_interval_draws", "near_duplicate_similarity"}
    accepted = []

    def visit(model, node, place, whole):
        for key, value in node.items():
            at = f"{place}.{key}"
            if isinstance(value, dict):
                visit(model, value, at, whole)
            elif isinstance(value, (str, int, float)) and not isinstance(value, bool) and key not in free:
                bad = "nonsense" if isinstance(value, str) else -1e9 if isinstance(value, float) else -(10**9)
                node[key] = bad
                try:
                    model.model_validate(whole)
                    accepted.append(at)
                except ValueError:
                    pass
                node[key] = value

    for section, model, entry in _all_entries(params):
        visit(model, entry, section, entry)
    references = r"\.(base|captioner|inversion|adapter|scheduler|encoder|algorithm_type)$|phrases|level_words|\.words\."
    shipped = r"_training\.(autoencoder|text_encoder|unet|scheduler|t5|transformer|vision|text)\."
    open_to_all = [at for at in accepted if not re.search(references, at) and not re.search(shipped, at)]
    assert open_to_all == []


def test_the_check_imports_nothing_heavy():
    ask = "import sys; from pipeline_steps import check_params, configure; print(sorted(sys.modules))"
    loaded = run(sys.executable, "-c", ask, cwd=ROOT).stdout
    heavy = [
        name for name in ("torch", "diffusers", "timm", "transformers", "pandas", "scipy") if f"'{name}'" in loaded
    ]
    assert heavy == []


def _checked(tmp_path, params, cells=None):
    yaml = YAML()
    for name, value in (("params.yaml", params), ("cells.yaml", {"cells": cells or checked_cells(params)})):
        with (tmp_path / name).open("w") as stream:
            yaml.dump(value, stream)
    check(tmp_path / "params.yaml", tmp_path / "cells.yaml")


def test_cells_that_are_not_what_the_grid_expands_to_are_refused_with_the_command(tmp_path, params):
    _checked(tmp_path, params)
    cells = checked_cells(params)
    params["augmenters"]["majority_to_minority"]["adapter"] = "lora_names"
    with pytest.raises(
        ParamsError, match=r"generate@majority_to_minority-iii-0.*run: python -m pipeline_steps\.configure --cells$"
    ):
        _checked(tmp_path, params, cells)
    (tmp_path / "cells.yaml").write_text("nothing\n")
    with pytest.raises(ParamsError, match=r"run: python -m pipeline_steps\.configure --cells$"):
        check(tmp_path / "params.yaml", tmp_path / "cells.yaml")


def test_a_stage_refuses_what_its_parameters_do_not_name():
    split = Path("data/splits/iii-0.parquet")
    right = {
        "inversion": (on_split("tokens", split), Path("models/tokens/tokens-iii-0")),
        "adapter": (None, Path(NOTHING)),
    }
    check_wiring(
        "augmenters.x", {**right, "base": ("sd", "sd"), "captioner": ("template", Path("data/captions/template"))}
    )
    for parameter, said in (
        ("inversion", "other-iii-0"),
        ("inversion", "tokens-iii-1"),
        ("inversion", None),
        ("adapter", "a-iii-0"),
    ):
        with pytest.raises(
            ParamsError,
            match=rf"augmenters\.x\.{parameter} is .* wired to .*run: python -m pipeline_steps\.configure --cells",
        ):
            check_wiring("augmenters.x", {**right, parameter: (said, right[parameter][1])})
    with pytest.raises(ParamsError, match="location"):
        check_wiring("base_models.sd", {"location": ("other/phantom-sd", "models/base/phantom-sd")})
    check_images("arms.syn", "syn", Path("data/synthetic/x-iii-0"))
    for images, path in (("syn", NOTHING), ("real", "data/synthetic/x-iii-0")):
        with pytest.raises(ParamsError, match=r"arms\.x\.images .*run: python -m pipeline_steps\.configure --cells"):
            check_images("arms.x", images, Path(path))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with this project's parameters, to choose profiles in."""
    for name in ("params.yaml", "cells.yaml", "config"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _both(place):
    return (place / "params.yaml").read_text(), (place / "cells.yaml").read_text()


def test_a_profile_with_mistakes_changes_nothing_and_names_them_all(place):
    before = _both(place)
    wrong = "classifer: {updates: 3}\npopulation: {majorty: [1]}\n"
    wrong += "ingest: {resize: crop}\ngrid: {comparison: {draws: [9]}}\n"
    (place / "config/profiles/mine.yaml").write_text(wrong)
    with pytest.raises(ParamsError) as caught:
        configure.choose("mine")
    text = str(caught.value)
    assert text.startswith("config/profiles/mine.yaml: 4 mistakes")
    said = (
        "did you mean classifier",
        "did you mean majority",
        "did you mean center_crop",
        "grid.comparison.draws names 9",
    )
    assert all(words in text for words in said)
    assert _both(place) == before


@pytest.mark.parametrize("text", ["", "- a\n", "grid: [", "compute: 3\n", "a: 1\na: 2\n"])
def test_what_is_no_profile_changes_nothing(place, text):
    before = _both(place)
    (place / "config/profiles/mine.yaml").write_text(text)
    with pytest.raises(ParamsError, match="mine"):
        configure.choose("mine")
    assert _both(place) == before


def test_choosing_a_profile_never_stacks_on_an_earlier_one(place):
    default = _both(place)
    configure.choose("sagers")
    run("git", "init", "-q", cwd=place)
    run("git", "add", "params.yaml", "cells.yaml", cwd=place)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "a profile is committed", cwd=place)
    configure.choose("toy")
    toy = _both(place)
    assert toy[0].startswith("# Profile: toy. ")
    configure.choose("default")
    assert _both(place) == default
    configure.choose("toy")
    assert _both(place) == toy


def test_values_changed_by_hand_are_not_lost(place):
    configure.choose("toy")
    file = place / "params.yaml"
    file.write_text(file.read_text().replace("updates: 4", "updates: 5") + "# a note\n")
    updates = read_yaml(file)["classifier"]["updates"]
    file.write_text(file.read_text().replace(f"  updates: {updates}", "  updates: 77", 1))
    edited = _both(place)
    with pytest.raises(ParamsError, match=r"(?s)classifier\.updates: .* became 77.*--save NAME.*--discard"):
        configure.choose("default")
    assert _both(place) == edited
    with pytest.raises(ParamsError, match="there already"):
        configure.choose("default", keep_as="toy")
    configure.choose("default", keep_as="mine")
    assert profile_in_use(file.read_text()) == "default"
    configure.choose("mine")
    assert list(changes(YAML(typ="safe").load(edited[0]), read_yaml(file))) == []
    file.write_text(file.read_text().replace("  updates: 77", "  updates: 78", 1))
    configure.choose("default", discard=True)
    assert read_yaml(file) == made("default").params


def test_an_environment_that_has_changed_is_no_hand_edit(place, monkeypatch):
    monkeypatch.setenv("EQUIDERM_FITZPATRICK17K", "/somewhere")
    configure.choose("paper")
    monkeypatch.delenv("EQUIDERM_FITZPATRICK17K")
    configure.choose("toy")


# Of what ruamel.yaml itself writes back alike: neither 17 digits of a float nor colons and hashes in a flow list.
WORDS = st.integers(-3, 3) | st.sampled_from([0.5, 1e-4, 0.00085, 2.0]) | st.text("ab {'", max_size=4) | st.booleans()
VALUES = st.none() | WORDS
KEYS = st.text("abc", min_size=1, max_size=2)
NESTED = st.recursive(
    VALUES | st.lists(WORDS, max_size=3), lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
SECTIONS_OF = st.fixed_dictionaries({name: st.dictionaries(KEYS, NESTED, max_size=3) for name in ("one", "two")})


@settings(deadline=None, max_examples=200)
@given(base=SECTIONS_OF, found=SECTIONS_OF)
def test_what_is_saved_as_a_profile_gives_it_back(base, found):
    assert merged(base, difference(base, found)) == found


def _lock(place, *cells):
    stages = {f"generate@{key}": {"cmd": "x"} for key in cells}
    with (place / "dvc.lock").open("w") as stream:
        YAML().dump({"schema": "2.0", "stages": {**stages, "split": {"cmd": "y"}}}, stream)
    for key in cells:
        (place / "data/synthetic" / key).mkdir(parents=True, exist_ok=True)


def test_going_to_a_profile_and_back_leaves_the_lock_as_it_was(place):
    _lock(place, "majority_to_minority-iii-0", "txt2img_tokens_lora_untrained-iii-0")
    before = (place / "dvc.lock").read_bytes()
    configure.choose("toy")
    assert not (place / "data/synthetic/txt2img_tokens_lora_untrained-iii-0").exists(), (
        "no report may see what is not in the grid"
    )
    assert (place / "data/synthetic/majority_to_minority-iii-0").exists()
    configure.choose("default")
    assert (place / "dvc.lock").read_bytes() == before


def test_what_is_committed_stays_in_the_lock_and_what_was_tried_goes(place):
    _lock(place, "txt2img_tokens_lora_untrained-iii-0")
    run("git", "init", "-q", cwd=place)
    run("git", "add", "dvc.lock", cwd=place)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x", cwd=place)
    _lock(place, "txt2img_tokens_lora_untrained-iii-0", "tried-iii-0", "majority_to_minority-iii-0")
    configure.choose("toy")
    cells = read_yaml(place / "cells.yaml")["cells"]
    assert clear(cells) == ["generate@txt2img_tokens_lora_untrained-iii-0", "generate@tried-iii-0"]
    assert prune(cells) == ["generate@tried-iii-0"]
    kept = read_yaml(place / "dvc.lock")["stages"]
    assert set(kept) == {"generate@txt2img_tokens_lora_untrained-iii-0", "generate@majority_to_minority-iii-0", "split"}


def test_a_mistake_stops_all_before_the_first_stage_and_a_match_makes_nothing_stale(toy_copy):
    params = toy_copy / "params.yaml"
    right = params.read_text()
    params.write_text(right.replace("resize: center_crop", "resize: crop"))
    done = run("dvc", "repro", cwd=toy_copy, check=False)
    assert done.returncode != 0
    assert "error: params.yaml: ingest.resize is 'crop'" in done.stderr
    assert set(re.findall(r"Running stage '([^']+)'", done.stdout)) == {"check_params"}
    params.write_text(right.replace("encoder: resnet18", "encoder: resnet34"))  # no segmenter is in the grid
    assert repro(toy_copy, "screen") == {"check_params"}


@pytest.mark.slow
def test_numbers_are_swept_by_dvc_and_wiring_is_refused(toy_copy):
    """Two queued values are two experiments; an adapter changed by -S stops at the check, and in the stage alone."""
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "toy", cwd=toy_copy)
    cell = "majority_to_minority-iii-0"
    sweep = "augmenters.majority_to_minority.guidance_scale=1.5,3.0"
    run("dvc", "exp", "run", "--queue", "-S", sweep, f"generate@{cell}", cwd=toy_copy)
    run("dvc", "exp", "run", "--run-all", cwd=toy_copy)
    shown = json.loads(run("dvc", "exp", "show", "--json", cwd=toy_copy).stdout)
    values = re.findall(r'"guidance_scale": ([\d.]+)', json.dumps([e for e in shown if e.get("experiments")]))
    assert {"1.5", "3.0"} <= set(values)
    wirings = {"inversion=null": "cells.yaml is not what the grid", "adapter=lora_labels": "which is not defined"}
    for (key, said), alone in itertools.product(wirings.items(), ([], ["--single-item"])):
        wiring = f"augmenters.majority_to_minority.{key}"
        done = subprocess.run(
            ["dvc", "exp", "run", *alone, "-S", wiring, f"generate@{cell}"],
            cwd=toy_copy,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert ("its cell is wired to" if alone else said) in done.stderr
        assert "python -m pipeline_steps.configure --cells" in done.stderr
        run("git", "checkout", "-q", "params.yaml", "dvc.lock", cwd=toy_copy)

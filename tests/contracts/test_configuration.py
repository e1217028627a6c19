"""What a person reads and writes: entries that take from others, files that stay short, edits that are not lost."""

import re
from typing import get_args, get_origin

import pytest
from conftest import ROOT, run
from pydantic import BaseModel
from ruamel.yaml import YAML

from pipeline_steps import configure
from pipeline_steps.configuration import overlay
from pipeline_steps.configuration.comments import notes, written
from pipeline_steps.configuration.edits import completed, held_params, overlay_of
from pipeline_steps.configuration.grid import expand
from pipeline_steps.configuration.inherit import expanded
from pipeline_steps.configuration.overlay import changes, merged
from pipeline_steps.configuration.profiles import BASE, PROFILES, library, made, names, sentence, source
from pipeline_steps.configuration.reach import names_in, names_reached, only
from pipeline_steps.configuration.sections import NAMED, SECTIONS, TAGGED
from pipeline_steps.stage.params import ParamsError, read_text, read_yaml


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def _adapters(**entries):
    return expanded({"adapters": entries})


def test_an_entry_takes_from_its_parent_and_both_from_what_their_kind_shares():
    each = {"image": {"rank": 16, "training": {"steps": 1, "seed": 0}}, "inpainting": {"like": "image", "rank": 8}}
    found = _adapters(
        _each=each,
        a={"task": "image", "training": {"steps": 2}},
        b={"like": "a", "rank": 4},
        c={"like": "b", "task": "inpainting", "rank": None},
        gone=None,
    )
    assert found.mistakes == []
    assert found.params["adapters"] == {
        "a": {"task": "image", "training": {"steps": 2, "seed": 0}, "rank": 16},
        "b": {"task": "image", "training": {"steps": 2, "seed": 0}, "rank": 4},
        "c": {"task": "inpainting", "training": {"steps": 2, "seed": 0}, "rank": None},
    }


def test_what_one_kind_shares_is_nothing_to_another():
    """A child of another kind takes what its parent says, and not what the parent's kind shares."""
    each = {"txt2img": {"strength": 1.0}, "inpaint": {"grow": 0}}
    entries = {"_each": each, "a": {"mode": "txt2img", "base": "sd"}, "b": {"like": "a", "mode": "inpaint"}}
    assert expanded({"augmenters": entries}).params["augmenters"]["b"] == {"mode": "inpaint", "base": "sd", "grow": 0}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"lora_a": {"like": "lora_b"}}, "adapters.lora_a.like is 'lora_b', which adapters does not hold"),
        ({"lora_a": {"like": "lora_bb"}, "lora_b": {"rank": 1}}, "did you mean lora_b?"),
        ({"a": {"like": "b"}, "b": {"like": "a"}}, "is like a itself: cut the circle"),
        ({"a": {"like": "a"}}, "is like a itself: cut the circle"),
        ({"_each": {"imag": {"rank": 1}}}, "adapters._each.imag is no task, .*; did you mean image"),
        ({"_each": {"image": {"like": "imag"}}, "a": {"task": "image"}}, "adapters._each.image.like is 'imag'"),
        ({"_each": 3}, "adapters._each is 3: it should hold what the entries share"),
        ({"_each": {"image": 3}}, "adapters._each.image is 3: it should hold what they share"),
        ({"_each": {"image": {"training": 3}}, "a": {"task": "image", "training": {"steps": 1}}}, "not of one kind"),
    ],
)
def test_an_entry_that_is_like_nothing_is_told(entries, said):
    assert any(re.search(said, line) for line in _adapters(**entries).mistakes)


def _with_overlay(monkeypatch, tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    monkeypatch.setattr("pipeline_steps.configuration.profiles.PROFILES", tmp_path)
    with pytest.raises(ParamsError) as caught:
        made("mine")
    return str(caught.value).splitlines()


def test_a_mistake_is_told_once_where_it_was_said_however_many_took_it(monkeypatch, tmp_path):
    text = "augmenters: {_each: {denoised: {batchsize: 1, guidance_scale: -1}}, lesiongen: {strenth: 1}}\n"
    text += "adapters: {lora_concepts: {training: {steps: 0}}}\n"  # lora_reports and lora_labels are like it
    head, *lines = _with_overlay(monkeypatch, tmp_path, text)
    assert head.endswith("mine.yaml: 4 mistakes")
    starts = {line.split()[0] for line in lines}
    assert starts == {
        "augmenters._each.denoised.batchsize",
        "augmenters._each.denoised.guidance_scale",
        "augmenters.lesiongen.strenth",
        "adapters.lora_concepts.training.steps",
    }


def test_entries_that_the_grid_does_not_reach_are_checked_too(monkeypatch, tmp_path):
    (line,) = _with_overlay(monkeypatch, tmp_path, "captioners: {reports_local: {dtype: half}}\n")
    assert "captioners.reports_local.dtype is 'half'" in line


@pytest.mark.parametrize("profile", names())
def test_params_hold_exactly_what_the_grid_reaches(profile):
    text, params, cells = made(profile)
    reached = names_reached(params, cells)
    assert names_in(params) == {section: reached[section] for section in names_in(params)}
    held = YAML(typ="safe").load(text)
    assert held == params
    assert expand(held) == cells


def _is_one_a_line(text):
    """No parameter in braces with others, but for an empty map."""
    return not [line for line in text.splitlines() if re.match(r"^ *[^#'\"]*[:-] \{(?!\})", line)]


def test_the_files_that_a_person_reads_are_short():
    assert len(read_text(BASE).splitlines()) <= 400
    text = made("default").text
    assert len(text.splitlines()) <= 430
    assert _is_one_a_line(text)
    for name in names():
        assert [line for line in made(name).text.splitlines() if len(line) > 120] == []
    for file in (BASE, *PROFILES.glob("*.yaml"), ROOT / "config/shipped.yaml"):
        assert [line for line in file.read_text().splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("profile", names())
def test_each_profile_says_at_its_top_what_it_is_for(profile):
    said = sentence(profile)
    assert said.endswith(".")
    assert len(said) > 20


def test_no_key_is_a_number_for_dvc_does_not_follow_those(tmp_path):
    def keys(node):
        for key, value in node.items() if isinstance(node, dict) else ():
            yield key
            yield from keys(value)

    for name in names():
        assert all(isinstance(key, str) for key in keys(YAML(typ="safe").load(made(name).text)))


def _maps(model, seen):
    """Names of the fields of ``model``, and of the models in it, that are maps of free keys."""
    if model in seen:
        return set()
    seen.add(model)
    found = set()
    for name, field in model.model_fields.items():
        todo = [field.annotation]
        while todo:
            kind = todo.pop()
            if get_origin(kind) is dict:
                found.add(name)
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= _maps(kind, seen)
            else:
                todo += get_args(kind)
    return found


def test_maps_of_free_keys_replace_and_no_others():
    models = {*SECTIONS.values(), *NAMED.values(), *(m for models, _ in TAGGED.values() for m in models.values())}
    found = set().union(*(_maps(model, set()) for model in models))
    assert found == overlay.OPEN | overlay.OPEN_WITHIN


COMMENTED = """# head of the file

a: 1 # one
# above b
b:
  c: "x # no comment" # yes
  d: [1, 2]
adapters:
  _each:
    image:
      rank: 8 # shared
  x: # an entry
    task: image
"""


def test_comments_come_along_and_what_is_shared_is_said_once():
    params = {"a": 2, "b": {"c": "y", "d": [3]}, "adapters": {"x": {"rank": 8}, "y": {"rank": 8}}}
    text = written(params, notes(COMMENTED))
    assert YAML(typ="safe").load(text) == params
    assert "a: 2 # one" in text
    assert "# above b\nb:" in text
    assert "c: y # yes" in text
    assert "x: # an entry" in text
    assert text.count("# shared") == 1
    assert "head of the file" not in text


def _edited(text, **places):
    params = held_params(text)
    for place, value in places.items():
        *parents, last = place.split("__")
        node = params
        for key in parents:
            node = node[key]
        node[last] = value
    return text.split("\n", 1)[0] + "\n" + written(params, {})


def test_a_method_that_an_edited_grid_names_comes_from_the_profile_and_one_that_it_left_goes():
    text = _edited(made("toy").text, grid__comparison__augmenters=["lesiongen"])
    new, params = completed(text)
    assert new.startswith("# Profile: toy. ")
    assert {k: list(params[k]) for k in ("augmenters", "adapters", "captioners")} == {
        "augmenters": ["lesiongen"],
        "adapters": ["lora_concepts"],
        "captioners": ["concepts"],
    }
    assert params["augmenters"]["lesiongen"] == library("toy").params["augmenters"]["lesiongen"]
    assert completed(new) == (new, params), "again changes nothing"
    changed = _edited(text, augmenters__majority_to_minority__seed=9)
    assert completed(changed)[1]["augmenters"]["majority_to_minority"]["seed"] == 9


def test_what_is_as_it_was_chosen_stays_byte_for_byte():
    for name in ("default", "toy", "phantom_bench"):
        text = made(name).text
        assert completed(text)[0] == text
    noted = made("toy").text + "# a note\n"
    assert completed(noted)[0] == noted


@pytest.mark.parametrize("profile", names())
def test_a_saved_profile_gives_back_what_was_held_whatever_takes_from_what(profile):
    """majority_to_minority is the parent of the whole ablation: its change must not become theirs."""
    params = held_params(made(profile).text)
    for entry in params["augmenters"].values():
        entry["seed"] = 9
    for entry in list(params["adapters"].values())[:1]:
        entry["rank"] = 3
    params["grid"].pop("ablation", None)
    base = source("default")
    again = expanded(merged(base, overlay_of(base, params))).params
    assert list(changes(only(again, names_in(params)), params)) == []


def test_a_difference_is_shown_and_changes_nothing(monkeypatch, tmp_path):
    shown = configure.shown_difference("phantom_bench")
    assert "+ adapters.lora_flux (28 values)" in shown
    assert "- grid.ablation (7 values)" in shown
    assert "  compute.threads: 2 → 1" in shown
    assert configure.shown_difference("default") == []


def test_the_command_lists_the_profiles_with_a_sentence_each():
    import sys

    shown = run(sys.executable, "-m", "pipeline_steps.configure", cwd=ROOT).stdout.splitlines()
    assert shown[0] == "in use: default"
    assert [line.split()[0] for line in shown[1:]] == names()
    assert all(line.endswith(".") for line in shown[1:])


def test_a_value_lost_with_its_whole_entry_is_refused(tmp_path, monkeypatch):
    """The next profile has no such entry: the edit is no less lost."""
    text = _edited(made("default").text, augmenters__img2img_tokens_lora_untrained__seed=4)
    (tmp_path / "params.yaml").write_text(text)
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match=r"augmenters\.img2img_tokens_lora_untrained\.seed: 0 became 4"):
        configure.choose("toy")
    assert read_yaml(tmp_path / "params.yaml")["augmenters"]["img2img_tokens_lora_untrained"]["seed"] == 4


def test_base_models_as_they_came_have_the_settings_of_what_was_learned_on_them():
    params = made("phantom_bench").params
    blocks = {name: block for name, block in params["grid"].items() if block["untrained"]}
    assert list(blocks) == ["untrained"]
    for name in blocks["untrained"]["augmenters"]:
        tuned, plain = params["augmenters"][name], params["augmenters"][f"{name}_untrained"]
        assert (plain["inversion"], plain["adapter"]) == (None, None)
        learned = {"inversion", "adapter", *({"mode", "threshold", "strength"} if name == "skindualgen" else ())}
        assert {k: v for k, v in plain.items() if k not in learned} == {
            k: v for k, v in tuned.items() if k not in learned
        }
    assert params["augmenters"]["skindualgen_untrained"]["mode"] == "txt2img", "the base model makes no masks"
    for file in (BASE, *PROFILES.glob("*.yaml")):
        assert "_untrained:" not in file.read_text(), "nobody writes them"


def test_what_has_no_base_model_has_none_as_it_came(monkeypatch, tmp_path):
    text = "grid: {untrained: {augmenters: [tone_transfer]}}\n"
    said = "\n".join(_with_overlay(monkeypatch, tmp_path, text))
    assert "grid.untrained.augmenters names tone_transfer, which has no base model, and untrained is true" in said


def test_an_edited_block_gets_its_base_models_as_they_came():
    text = _edited(made("toy").text, grid__comparison__untrained=True)
    _, params = completed(text)
    assert list(params["augmenters"]) == ["majority_to_minority_untrained"]
    assert params["adapters"] == params["inversions"] == {}


@pytest.mark.parametrize("flag", [["--discard"], ["--save", "mine"]])
def test_edits_are_kept_or_let_go_for_a_profile_that_is_named(flag, monkeypatch, capsys):
    """Alone they listed the profiles, saved nothing and ended well."""
    monkeypatch.setattr("sys.argv", ["configure", *flag])
    with pytest.raises(SystemExit) as ended:
        configure.main()
    assert ended.value.code == 2
    assert "configure NAME --save MINE" in capsys.readouterr().err

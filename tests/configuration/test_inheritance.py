"""An entry takes from its parent and from what its kind shares; a mistake is said once, where it was written."""

import re

import pytest
from conftest import ROOT
from profiles_in_tests import mistakes_of_profile

from pipeline_steps.configuration.inherit import expanded


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


def test_a_mistake_is_told_once_where_it_was_said_however_many_took_it(monkeypatch, tmp_path):
    text = "augmenters: {_each: {denoised: {batchsize: 1, guidance_scale: -1}}, lesiongen: {strenth: 1}}\n"
    text += "adapters: {lora_concepts: {training: {steps: 0}}}\n"  # lora_reports and lora_labels are like it
    head, *lines = mistakes_of_profile(monkeypatch, tmp_path, text)
    assert head.endswith("mine.yaml: 4 mistakes")
    starts = {line.split()[0] for line in lines}
    assert starts == {
        "augmenters._each.denoised.batchsize",
        "augmenters._each.denoised.guidance_scale",
        "augmenters.lesiongen.strenth",
        "adapters.lora_concepts.training.steps",
    }


def test_entries_that_the_grid_does_not_reach_are_checked_too(monkeypatch, tmp_path):
    (line,) = mistakes_of_profile(monkeypatch, tmp_path, "captioners: {reports_local: {dtype: half}}\n")
    assert "captioners.reports_local.dtype is 'half'" in line

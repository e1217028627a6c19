"""The files that a person reads: short, with their comments, and of what the grid reaches alone."""

import re
from typing import get_args, get_origin

import pytest
from conftest import ROOT
from pydantic import BaseModel
from ruamel.yaml import YAML

from pipeline_steps.configuration import overlay
from pipeline_steps.configuration.comments import notes, written
from pipeline_steps.configuration.grid import expand
from pipeline_steps.configuration.profiles import BASE, PROFILES, made, names, sentence
from pipeline_steps.configuration.reach import names_in, names_reached
from pipeline_steps.configuration.sections import NAMED, SECTIONS, TAGGED
from pipeline_steps.stage.params import read_text


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


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

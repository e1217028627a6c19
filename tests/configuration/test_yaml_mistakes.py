"""What is no YAML is refused with its line, its column and a remedy."""

import re
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_steps import configure
from pipeline_steps.configuration.check import check
from pipeline_steps.stage.params import ParamsError
from pipeline_steps.stage.yaml_mistakes import parse_yaml


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


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

"""Parameters changed as by hand, and profiles with mistakes."""

import pytest

from pipeline_steps.configuration.comments import written
from pipeline_steps.configuration.edits import held_params
from pipeline_steps.configuration.profiles import made
from pipeline_steps.stage.params import ParamsError


def mistakes_of_profile(monkeypatch, tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    monkeypatch.setattr("pipeline_steps.configuration.profiles.PROFILES", tmp_path)
    with pytest.raises(ParamsError) as caught:
        made("mine")
    return str(caught.value).splitlines()


def edited(text, **places):
    params = held_params(text)
    for place, value in places.items():
        *parents, last = place.split("__")
        node = params
        for key in parents:
            node = node[key]
        node[last] = value
    return text.split("\n", 1)[0] + "\n" + written(params, {})

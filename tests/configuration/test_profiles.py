"""Every profile is complete and valid, and params.yaml is the one that it names."""

import pytest
from conftest import ROOT, whole
from ruamel.yaml import YAML

from pipeline_steps.configuration.check import checked_cells
from pipeline_steps.configuration.grid import expand
from pipeline_steps.configuration.profiles import made, profile_in_use
from pipeline_steps.stage.params import read_yaml


def test_params_are_the_profile_that_they_name():
    """Made of config/base.yaml: change that, and run python -m pipeline_steps.configure default."""
    text = (ROOT / "params.yaml").read_text()
    assert text == made(profile_in_use(text)).text


def test_cells_fit_the_grid():
    assert read_yaml(ROOT / "cells.yaml")["cells"] == expand(read_yaml(ROOT / "params.yaml"))


PROFILES = sorted(f.stem for f in (ROOT / "config/profiles").glob("*.yaml"))


@pytest.mark.parametrize("profile", ["default", *PROFILES])
def test_every_profile_is_complete_and_valid(profile, monkeypatch):
    monkeypatch.chdir(ROOT)
    text, params, cells = made(profile)
    assert checked_cells(YAML(typ="safe").load(text)) == cells
    assert YAML(typ="safe").load(text) == params
    assert sum(len(c) for c in cells.values()) <= 400
    assert len(cells["generate"]) > 0


def test_the_paper_profile_holds_the_published_settings():
    params = whole("paper")
    inversion, lora = params["inversions"]["tokens"], params["adapters"]["lora_tokens"]
    assert (inversion["vectors"], inversion["training"]["steps"], inversion["training"]["learning_rate"]) == (
        1,
        500,
        8e-3,
    )
    assert (lora["rank"], lora["training"]["steps"], lora["training"]["learning_rate"]) == (8, 3000, 5e-6)
    main = params["augmenters"]["majority_to_minority"]
    assert (main["strength"], main["num_inference_steps"], main["guidance_scale"]) == (0.5, 100, 2.0)
    assert main["images_per_source"] == 5
    assert params["subset"]["policy"] == "paper_exact"
    assert len(expand(params)["train_classifier"]) == 3 * 5 * 3 * 4 + 7 * 5

"""Base models as they came: made of the methods that were trained on them."""

import pytest
from conftest import ROOT
from profiles_in_tests import edited, mistakes_of_profile

from pipeline_steps.configuration.edits import completed
from pipeline_steps.configuration.profiles import BASE, PROFILES, made


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


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
    said = "\n".join(mistakes_of_profile(monkeypatch, tmp_path, text))
    assert "grid.untrained.augmenters names tone_transfer, which has no base model, and untrained is true" in said


def test_an_edited_block_gets_its_base_models_as_they_came():
    text = edited(made("toy").text, grid__comparison__untrained=True)
    _, params = completed(text)
    assert list(params["augmenters"]) == ["majority_to_minority_untrained"]
    assert params["adapters"] == params["inversions"] == {}

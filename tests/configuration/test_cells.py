"""The grid's expansion, and what happens to cells that leave."""

import pytest
from conftest import ROOT, whole
from ruamel.yaml import YAML

from pipeline_steps.configuration.grid import expand
from pipeline_steps.configuration.prune import prune
from pipeline_steps.stage.params import ParamsError, read_yaml


@pytest.fixture
def params():
    return whole()


def test_real_is_trained_once_whatever_the_augmenters(params):
    params["grid"] = {
        "b": {
            "scenarios": ["i"],
            "draws": [0, 1],
            "augmenters": ["majority_to_minority", "img2img_tokens_lora_untrained"],
            "architectures": ["vgg_small"],
            "arms": ["real", "syn"],
            "segmenters": ["real", "real_syn"],
            "untrained": False,
        }
    }
    cells = expand(params)
    assert sum(c["arm"] == "real" for c in cells["train_classifier"].values()) == 2
    assert sum(c["arm"] == "syn" for c in cells["train_classifier"].values()) == 4
    assert sum(c["arm"] == "real" for c in cells["train_segmenter"].values()) == 2
    assert cells["score_masks"]["img2img_tokens_lora_untrained-i-1"] == {"split": "i-1"}
    segmenter = cells["train_segmenter"]["real_syn-img2img_tokens_lora_untrained-i-1"]
    assert segmenter["synthetic"] == "data/synthetic/img2img_tokens_lora_untrained-i-1"
    assert set(cells["invert_tokens"]) == {"tokens-i-0", "tokens-i-1"}
    assert cells["generate"]["img2img_tokens_lora_untrained-i-0"]["tokens"] == "models/none"


def test_the_noise_floor_is_one_cell_whatever_the_augmenters(params):
    """What repeats real images alone needs none of them: a split and an architecture have one of it."""
    names = list(params["augmenters"])[:3]
    block = {"scenarios": ["i"], "draws": [0, 1], "augmenters": names, "segmenters": ["real_again"], "untrained": False}
    params["grid"] = {
        "b": {**block, "architectures": ["vgg_small", "vit_small"], "arms": ["real", "real_again", "syn"]}
    }
    cells = expand(params)
    found = {key for key, cell in cells["train_classifier"].items() if cell["arm"] == "real_again"}
    assert found == {f"real_again-{network}-i-{draw}" for network in ("vgg_small", "vit_small") for draw in (0, 1)}
    assert set(cells["train_segmenter"]) == {"real_again-i-0", "real_again-i-1"}
    assert {cells["train_classifier"][key]["synthetic"] for key in found} == {"models/none"}


@pytest.mark.parametrize("profile", ["default", *sorted(f.stem for f in (ROOT / "config/profiles").glob("*.yaml"))])
def test_all_arms_share_a_seed_but_the_noise_floor(profile):
    arms = whole(profile)["arms"]
    floors = {name: arm for name, arm in arms.items() if arm["seed"] != 0}
    assert set(floors) == {"real_again"}
    assert {**floors["real_again"], "seed": 0} == arms["real"]
    pairs = [(name, other) for name in arms for other in arms if name < other and arms[name] == arms[other]]
    assert pairs == [], "two arms of one training measure nothing"


def test_undefined_names_are_refused(params):
    params["augmenters"]["majority_to_minority"]["adapter"] = "lora_of_dreams"
    with pytest.raises(ParamsError, match=r"adapters\.lora_of_dreams"):
        expand(params)


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        ("inversions.tokens", {"base": "flux"}),
        ("adapters.lora_flux", {"inversion": "tokens"}),
        ("augmenters.txt2img_of_flux", {"inversion": "tokens"}),
    ],
)
def test_textual_inversion_with_flux_is_refused_before_anything_runs(params, entry, changes):
    """Whether its tokens would be learned there, or learned elsewhere and used there."""
    params["augmenters"]["txt2img_of_flux"] = params["augmenters"]["dermaflux"] | {"adapter": None}
    block = dict(params["grid"]["comparison"], augmenters=["majority_to_minority", "txt2img_of_flux", "dermaflux"])
    params["grid"] = {"b": block}
    expand(params)
    section, name = entry.split(".")
    params[section][name] |= changes
    with pytest.raises(ParamsError, match=rf"{entry} wants textual inversion .* family flux.* T5"):
        expand(params)


def test_cells_that_left_are_pruned_with_their_outputs(tmp_path, monkeypatch, params):
    monkeypatch.chdir(tmp_path)
    stages = {f"generate@{k}": {"cmd": "x"} for k in ("majority_to_minority-iii-0", "old-iii-0")}
    YAML().dump({"schema": "2.0", "stages": {**stages, "split": {"cmd": "y"}}}, tmp_path / "dvc.lock")
    for key in ("majority_to_minority-iii-0", "old-iii-0"):
        (tmp_path / "data/synthetic" / key).mkdir(parents=True)
    assert prune(expand(params)) == ["generate@old-iii-0"]
    assert set(read_yaml(tmp_path / "dvc.lock")["stages"]) == {"generate@majority_to_minority-iii-0", "split"}
    assert not (tmp_path / "data/synthetic/old-iii-0").exists()
    assert (tmp_path / "data/synthetic/majority_to_minority-iii-0").exists()

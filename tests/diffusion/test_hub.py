"""Models in folders and on the hub: which is meant, at which commit, and what is fetched. The hub is a cache folder."""

import json
import os
import shutil
import sys

import pytest
import torch
from conftest import ROOT, copy_tree, run, whole
from hub_cache import NEW, OLD
from safetensors.torch import load_file, save_file

from pipeline_steps import pin_model
from pipeline_steps.captions.tokens import token_counter
from pipeline_steps.checkpoints.locations import HubModel, commit_of, locate
from pipeline_steps.checkpoints.provenance import weights_digest
from pipeline_steps.configuration.grid import expand
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.settings import read_base
from pipeline_steps.parameters.captioners import TokenizerParams
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import ParamsError, read_yaml
from pipeline_steps.vision.networks import new_network, pretrained_commit


@pytest.fixture
def params():
    return whole()


def _base(location, revision=None):
    return {"family": "stable_diffusion", "location": location, "revision": revision, "dtype": "float32"}


def _write(folder, base):
    (folder / "params.yaml").write_text(json.dumps({"base_models": {"sd": base}}))


@pytest.mark.parametrize("name", ["weights/sd", "weights/sd/", "a/b/c", "sd", "./sd", "my weights/sd", "models/own"])
def test_what_is_loaded_as_a_folder_is_watched_as_one(name, params, tmp_path, tiny_sd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_sd, tmp_path / name)
    params["base_models"]["sd"]["location"] = name
    cells = expand(params)
    watched = {cell["weights"] for verb in ("generate", "finetune", "invert_tokens") for cell in cells[verb].values()}
    assert {(tmp_path / w).resolve() for w in watched} == {(tmp_path / name).resolve()}
    assert cells["pin_model"] == {}
    base = BaseModel(**params["base_models"]["sd"])
    assert family(base).load(base).digest == weights_digest(tmp_path / name), "and it is what is loaded"


def test_the_pin_is_what_dvc_watches_and_what_the_stage_writes(params):
    params["base_models"]["sd"] |= {"location": "lab/sd.v2", "revision": "fp16"}
    cells = expand(params)
    ((key, cell),) = cells["pin_model"].items()
    assert cell == {"model": "lab/sd.v2", "revision": "fp16"}
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    (made,) = stages["pin_model"]["do"]["outs"]
    for verb in ("generate", "finetune", "invert_tokens"):
        assert {c["weights"] for c in cells[verb].values()} == {made.replace("${key}", key)}
        assert "${item.weights}" in stages[verb]["do"]["deps"]


def test_tokenizers_and_captioners_follow_the_same_rule(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights/vlm").mkdir(parents=True)
    entry = params["captioners"]["reports_local"]
    entry["location"], entry["tokenizer"]["location"] = "weights/vlm", "lab/text"
    params["augmenters"]["majority_to_minority"]["captioner"] = "reports_local"
    cells = expand(params)
    cell = cells["caption"]["reports_local"]
    assert (cell["weights"], cell["tokenizer"]) == ("weights/vlm", "models/revisions/lab--text.json")
    assert cells["pin_model"] == {"lab--text": {"model": "lab/text", "revision": "main"}}


@pytest.mark.parametrize(
    ("location", "revision", "why"),
    [
        ("sd2", None, "neither a folder here nor a hub id"),
        ("", None, "neither a folder here nor a hub id"),
        ("a/b/c", None, "neither a folder here nor a hub id"),
        ("https://huggingface.co/lab/sd", None, "neither a folder here nor a hub id"),
        ("~/sd", None, "neither a folder here nor a hub id"),
        ("lab/sd v2", None, "neither a folder here nor a hub id"),
        ("lab/sd; rm -r x", None, "neither a folder here nor a hub id"),
        ("lab/sd", "main; rm -r x", "is no branch, tag or commit"),
        ("here/sd", "main", "is a folder, and revision 'main' is for models of the hub"),
        ("models/gone", "fp16", "is a folder, and revision 'fp16' is for models of the hub"),
    ],
)
def test_what_is_neither_or_both_is_refused_before_anything_runs(
    location, revision, why, params, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here/sd").mkdir(parents=True)
    params["base_models"]["sd"] |= {"location": location, "revision": revision}
    with pytest.raises(ParamsError, match=why):
        expand(params)


def test_a_folder_that_takes_the_name_of_a_pinned_model_is_said(hub, tmp_path):
    place = locate("lab/sd.v2", None)
    pin_model.pin(place, place.pin)
    (tmp_path / "lab/sd.v2").mkdir(parents=True)
    with pytest.raises(ParamsError, match=r"is a folder here and a model of the hub .*write './lab/sd\.v2'"):
        locate("lab/sd.v2", None)
    assert locate("./lab/sd.v2", None).is_dir()


def test_everybody_loads_the_commit_that_was_pinned_first(hub, tmp_path):
    _write(tmp_path, _base("lab/sd.v2"))
    place = locate("lab/sd.v2", None)
    with pytest.raises(DataError, match=r"no commit of lab/sd\.v2 is pinned .*dvc repro --force pin_model@lab--sd\.v2"):
        read_base("sd")
    assert pin_model.pin(place, place.pin) == OLD
    hub(NEW)
    base = read_base("sd")
    assert base.revision == OLD
    weights = load_file(hub.cache / "models--lab--sd.v2/snapshots" / OLD / "unet/diffusion_pytorch_model.safetensors")
    c = family(base).load(base)
    assert torch.equal(c.denoiser.state_dict()["conv_in.bias"], weights["conv_in.bias"]), "not what main is now"
    assert pin_model.pin(place, place.pin) == NEW
    moved = read_base("sd")
    assert family(moved).load(moved).digest != c.digest, "what is kept by weights is not found for others"


def test_a_commit_in_the_parameters_needs_no_pin(hub, tmp_path, params):
    _write(tmp_path, _base("lab/sd.v2", NEW))
    assert read_base("sd").revision == NEW
    params["base_models"]["sd"] |= _base("lab/sd.v2", NEW)
    cells = expand(params)
    assert cells["pin_model"] == {}
    assert {cell["weights"] for cell in cells["generate"].values()} == {"models/none"}


@pytest.mark.parametrize(
    "damage", ["", "[]", "{}", '{"model": "lab/other", "revision": "main", "commit": "' + OLD + '"}']
)
def test_a_pin_that_is_none_is_refused_and_made_anew(damage, hub):
    place = locate("lab/sd.v2", None)
    place.pin.parent.mkdir(parents=True)
    place.pin.write_text(damage)
    with pytest.raises(DataError, match=r"is no pin of lab/sd\.v2 at main; run: dvc repro --force"):
        commit_of("lab/sd.v2", None)
    assert pin_model.pin(place, place.pin) == OLD == commit_of("lab/sd.v2", None)


def test_a_model_that_nobody_knows_is_named(hub, tmp_path):
    with pytest.raises(
        DataError, match=r"neither the hub \(OfflineModeIsEnabled\) nor its cache .* knows lab/none at main"
    ):
        pin_model.pin(HubModel("lab/none", "main"), tmp_path / "pin.json")
    assert not (tmp_path / "pin.json").exists()


def test_pins_have_names_of_their_own():
    ids = ["a/b", "a/b.c", "a/b_c", "a/b-c", "a-b/c", "A/b"]
    models = [HubModel(name, revision) for name in ids for revision in ("main", "fp16", "refs/pr/1", "refs-pr-1")]
    assert len({model.pin for model in models}) == len(models)


def test_tokens_are_counted_by_the_pinned_tokenizer(hub, monkeypatch):
    place = locate("lab/sd.v2", None)
    pin_model.pin(place, place.pin)
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(hub.cache), raising=False)
    asked = []
    monkeypatch.setattr(
        "transformers.AutoTokenizer.from_pretrained", lambda *_args, **given: asked.append(given["revision"])
    )
    hub(NEW)
    token_counter(TokenizerParams(location="lab/sd.v2", subfolder="t", revision=None, max_tokens=9, short=None), "t")
    assert asked == [OLD]


def test_classifiers_start_from_the_pinned_weights(hub, params):
    """timm's own smallest network, at two commits."""
    fresh = {
        commit: new_network("test_resnet", 3, 64, pretrained=False, seed=seed) for seed, commit in enumerate((OLD, NEW))
    }
    model = hub.cache / "models--timm--test_resnet.r160_in1k"
    for commit, network in fresh.items():
        (model / "snapshots" / commit).mkdir(parents=True)
        state = network.state_dict()
        state |= {name: torch.zeros(1000, *state[name].shape[1:]) for name in ("fc.weight", "fc.bias")}
        save_file(
            {name: value.contiguous() for name, value in state.items()},
            model / "snapshots" / commit / "model.safetensors",
        )
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(OLD)
    params["grid"]["comparison"]["architectures"] = ["test_resnet", "resnet_small"]
    params["classifier"]["pretrained"] = True
    cells = expand(params)
    watched = {cell["architecture"]: cell["weights"] for cell in cells["train_classifier"].values()}
    pin = "models/revisions/timm--test_resnet.r160_in1k.json"
    assert watched == {"test_resnet": pin, "resnet_small": "models/none"}
    assert "${item.weights}" in read_yaml(ROOT / "dvc.yaml")["stages"]["train_classifier"]["do"]["deps"]
    ((_, cell),) = cells["pin_model"].items()
    place = HubModel(cell["model"], cell["revision"])
    with pytest.raises(DataError, match=r"no commit of timm/test_resnet\.r160_in1k is pinned"):
        new_network("test_resnet", 3, 64, pretrained=True, seed=0)
    pin_model.pin(place, place.pin)
    (model / "refs" / "main").write_text(NEW)
    loaded = new_network("test_resnet", 3, 64, pretrained=True, seed=9).state_dict()
    assert torch.equal(loaded["conv1.0.weight"], fresh[OLD].state_dict()["conv1.0.weight"]), "not what main is now"
    assert pretrained_commit("test_resnet") == {"id": "timm/test_resnet.r160_in1k", "commit": OLD}
    assert pretrained_commit("resnet_small") == {}, "ours start from fresh weights"


@pytest.mark.slow
def test_dvc_pins_once_and_a_moved_pin_makes_stale_what_loads_it(hub, tmp_path):
    """With DVC itself: the stage, its dependants, a clone without the file, and a pin that is moved on purpose."""
    clone = tmp_path / "clone"
    clone.mkdir()
    copy_tree(clone)
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(text.replace("location: models/base/phantom-sd #", "location: lab/sd.v2 #"))
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    assert os.environ.get("HF_HUB_CACHE") is None
    run(sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=clone)
    pin = clone / "models/revisions/lab--sd.v2.json"

    def repro(*arguments):
        return run("dvc", "repro", "pin_model@lab--sd.v2", *arguments, cwd=clone, env_extra=environment).stdout

    add = (
        "stage",
        "add",
        "-q",
        "-n",
        "loads",
        "-d",
        "models/revisions/lab--sd.v2.json",
        "-o",
        "loaded",
        "exec touch loaded",
    )
    run("dvc", *add, cwd=clone)
    assert f"commit {OLD}" in repro()
    run("dvc", "repro", "loads", cwd=clone, env_extra=environment)
    hub(NEW)
    assert "didn't change" in repro()
    pin.unlink()
    repro()
    assert json.loads(pin.read_text())["commit"] == OLD, "from DVC's cache, as in another clone"
    assert json.loads(run("dvc", "status", "--json", "loads", cwd=clone).stdout) == {}
    assert f"commit {NEW}" in repro("--force")
    status = json.loads(run("dvc", "status", "--json", "loads", cwd=clone).stdout)
    assert status["loads"] == [{"changed deps": {"models/revisions/lab--sd.v2.json": "modified"}}]

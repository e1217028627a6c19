"""The hub's cache folder with a model of two commits: a fixture, and the names of the commits."""

import shutil

import pytest
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def hub(tmp_path, tiny_sd, monkeypatch):
    """The hub's cache with two commits of ``lab/sd.v2``, whose weights differ; ``move(commit)`` is what ``main`` is."""
    cache = tmp_path / "hf" / "hub"
    model = cache / "models--lab--sd.v2"
    for commit, shift in ((OLD, 0.0), (NEW, 1.0)):
        shutil.copytree(tiny_sd, model / "snapshots" / commit)
        file = model / "snapshots" / commit / "unet" / "diffusion_pytorch_model.safetensors"
        save_file({name: value + shift for name, value in load_file(file).items()}, file, {"format": "pt"})
    (model / "refs").mkdir()

    def move(commit):
        (model / "refs" / "main").write_text(commit)

    move(OLD)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    move.cache = cache
    return move

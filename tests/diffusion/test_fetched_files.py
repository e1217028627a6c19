"""What is fetched of a repository on the hub: what is loaded, and nothing beside it."""

import shutil
from fnmatch import fnmatchcase

import pytest
import torch
from hub_cache import OLD

from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.hub import BaseModel, wanted_files
from pipeline_steps.stage.errors import DataError

# Files of repositories on the hub, as they list them: what is loaded, and what lies beside it.
_TOKENIZER = ["merges.txt", "special_tokens_map.json", "tokenizer_config.json", "vocab.json"]


_CLUTTER = [".gitattributes", "README.md", "feature_extractor/preprocessor_config.json"]


_UNET, _TEXT, _VAE = "unet/diffusion_pytorch_model", "text_encoder/model", "vae/diffusion_pytorch_model"


_SD = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    *(f"tokenizer/{name}" for name in _TOKENIZER),
    *(f"{part}/config.json" for part in ("text_encoder", "unet", "vae")),
    *(f"{stem}.safetensors" for stem in (_UNET, _TEXT, _VAE)),
]


_SD_BESIDE = [
    *_CLUTTER,
    *(f"{stem}.{end}" for stem in (_UNET, _VAE) for end in ("bin", "fp16.bin", "fp16.safetensors")),
    *(f"text_encoder/{name}" for name in ("pytorch_model.bin", "pytorch_model.fp16.bin", "model.fp16.safetensors")),
]


_SHARDS = {"text_encoder_2/model": 2, "transformer/diffusion_pytorch_model": 3}


_FLUX = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    *(f"tokenizer/{name}" for name in _TOKENIZER),
    *(
        f"tokenizer_2/{n}"
        for n in ("special_tokens_map.json", "spiece.model", "tokenizer.json", "tokenizer_config.json")
    ),
    *(f"{part}/config.json" for part in ("text_encoder", "text_encoder_2", "transformer", "vae")),
    *(f"{stem}.safetensors" for stem in (_TEXT, _VAE)),
    *(f"{stem}-{i:05}-of-{n:05}.safetensors" for stem, n in _SHARDS.items() for i in range(1, n + 1)),
    *(f"{stem}.safetensors.index.json" for stem in _SHARDS),
]


REPOSITORIES = {
    "stable-diffusion-2-1-base": (
        "stable_diffusion",
        _SD,
        [
            *_SD_BESIDE,
            *(f"v2-1_512-{kind}.{end}" for kind in ("ema-pruned", "nonema-pruned") for end in ("ckpt", "safetensors")),
        ],
    ),
    "stable-diffusion-v1-4": (
        "stable_diffusion",
        _SD,
        [
            *_SD_BESIDE,
            *(f"sd-v1-4{kind}.ckpt" for kind in ("", "-full-ema")),
            *(f"safety_checker/{name}" for name in ("config.json", "model.safetensors", "pytorch_model.bin")),
            *(f"safety_checker/{name}" for name in ("model.fp16.safetensors", "pytorch_model.fp16.bin")),
            "unet/diffusion_pytorch_model.non_ema.safetensors",
        ],
    ),
    "stable-diffusion-2-inpainting": (
        "stable_diffusion",
        _SD,
        [*_SD_BESIDE, "512-inpainting-ema.ckpt", "512-inpainting-ema.safetensors", "merged-leopards.png"],
    ),
    "FLUX.1-dev": (
        "flux",
        _FLUX,
        [".gitattributes", "LICENSE.md", "README.md", "ae.safetensors", "flux1-dev.safetensors", "dev_grid.jpg"],
    ),
    "sharded in half precision beside": (
        "stable_diffusion",
        _SD,
        [
            f"{_UNET}.fp16-00001-of-00002.safetensors",
            f"{_UNET}-00001-of-00002.fp16.safetensors",
            f"{_UNET}.safetensors.index.fp16.json",
            "unet_ema/diffusion_pytorch_model.safetensors",
            "text_encoder/openvino_model.bin",
            "unet/model.onnx",
            "vae_decoder/model.safetensors",
        ],
    ),
}


@pytest.mark.parametrize("name", REPOSITORIES)
def test_what_is_loaded_alone_is_fetched(name):
    kind, loaded, beside = REPOSITORIES[name]
    patterns = wanted_files(kind)
    fetched = {file for file in (*loaded, *beside) if any(fnmatchcase(file, pattern) for pattern in patterns)}
    assert fetched == set(loaded)


@pytest.mark.parametrize("kind", ["stable_diffusion", "flux"])
def test_what_is_fetched_is_enough_to_load(kind, tiny_sd, tiny_flux, tmp_path):
    """And nothing of it can be spared: without any one folder the loader fails."""
    full = tiny_sd if kind == "stable_diffusion" else tiny_flux
    for file in (f for f in full.rglob("*") if f.is_file()):
        inside = file.relative_to(full)
        if any(fnmatchcase(inside.as_posix(), pattern) for pattern in wanted_files(kind)):
            (tmp_path / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / inside)
    base = BaseModel(kind, str(tmp_path), None, "float32")
    whole = BaseModel(kind, str(full), None, "float32")
    loaded, expected = (family(b).load(b).denoiser.state_dict() for b in (base, whole))
    assert all(torch.equal(loaded[name], value) for name, value in expected.items())
    for part in [f for f in tmp_path.iterdir() if f.is_dir()]:
        part.rename(tmp_path / "away")
        with pytest.raises((OSError, ValueError, TypeError)):
            family(base).load(base)
        (tmp_path / "away").rename(part)


def test_the_digest_of_a_hub_model_is_of_what_is_loaded(hub):
    """Whatever another program has put into the cache beside it."""
    base = BaseModel("stable_diffusion", "lab/sd.v2", OLD, "float32")
    before = family(base).load(base).digest
    snapshot = hub.cache / "models--lab--sd.v2" / "snapshots" / OLD
    shutil.copy(
        snapshot / "vae/diffusion_pytorch_model.safetensors", snapshot / "vae/diffusion_pytorch_model.fp16.safetensors"
    )
    assert family(base).load(base).digest == before


def test_a_repository_without_safetensors_is_named(hub):
    snapshot = hub.cache / "models--lab--sd.v2" / "snapshots" / OLD
    (snapshot / "unet/diffusion_pytorch_model.safetensors").rename(snapshot / "unet/diffusion_pytorch_model.bin")
    base = BaseModel("stable_diffusion", "lab/sd.v2", OLD, "float32")
    with pytest.raises(DataError, match=rf"commit {OLD} of lab/sd\.v2 has no unet as safetensors"):
        family(base).load(base)

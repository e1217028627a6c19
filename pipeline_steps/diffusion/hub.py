"""Base models: where their files are, and their parts once they are loaded."""

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from pipeline_steps.checkpoints.locations import HubModel, commit_of, locate
from pipeline_steps.checkpoints.provenance import weights_digest
from pipeline_steps.items.digests import remembered_digest
from pipeline_steps.stage.errors import DataError

_ADVICE = (
    "set base_models.<name>.location to a local copy, or (gated models) accept the licence and run 'hf auth login'"
)
# What each family loads, and how the files of its weights are called (empty: it has none).
_DIFFUSERS, _TRANSFORMERS = "diffusion_pytorch_model", "model"
_PARTS = {
    "stable_diffusion": {
        "tokenizer": "",
        "text_encoder": _TRANSFORMERS,
        "vae": _DIFFUSERS,
        "unet": _DIFFUSERS,
        "scheduler": "",
    },
    "flux": {
        "tokenizer": "",
        "tokenizer_2": "",
        "text_encoder": _TRANSFORMERS,
        "text_encoder_2": _TRANSFORMERS,
        "vae": _DIFFUSERS,
        "transformer": _DIFFUSERS,
        "scheduler": "",
    },
}


@dataclass(frozen=True)
class BaseModel:
    """Where a base model lies (folder in diffusers layout, or a hub id with the commit to load) and how to compute."""

    family: str
    location: str
    revision: str | None
    dtype: str


@dataclass(frozen=True)
class Components:
    """A loaded base model; ``digest`` identifies its weights in cache keys.

    All but the text encoders is on ``device``; those come there to embed (Flux's fill 9 GiB), and are on the CPU
    before. Textual inversion acts on the first text encoder and its tokenizer.
    """

    tokenizers: tuple[Any, ...]
    text_encoders: tuple[Any, ...]
    vae: Any
    denoiser: Any
    scheduler: Any
    digest: str
    device: torch.device
    dtype: torch.dtype

    @property
    def tokenizer(self) -> Any:
        """The first tokenizer."""
        return self.tokenizers[0]

    @property
    def text_encoder(self) -> Any:
        """The first text encoder."""
        return self.text_encoders[0]


def autocast(c: Components) -> torch.autocast:
    """A 16-bit base computes in 16 bits also while weights are trained that are kept in 32; nothing where none are."""
    mixed = c.dtype != torch.float32 and any(p.dtype != c.dtype for p in c.denoiser.parameters())
    return torch.autocast(c.device.type, c.dtype, enabled=mixed)


def bring_text_encoders(c: Components) -> None:
    """Have the text encoders where the model computes."""
    _place(c.text_encoders, c.device)


def send_text_encoders_off(c: Components) -> None:
    """Have the text encoders on the CPU, so that a GPU has their room for the denoiser's work."""
    _place(c.text_encoders, torch.device("cpu"))


def _place(encoders: tuple[Any, ...], device: torch.device) -> None:
    for encoder in encoders:
        if next(encoder.parameters()).device.type != device.type:
            encoder.to(device)


def resolve(base: BaseModel) -> Path:
    """The local folder of a base model; of a hub model, its commit in the cache or downloaded, what is loaded alone.

    Raises:
        ParamsError: the location is neither a folder nor a hub id, or both.
        DataError: nothing is there, it is not to be had, or parts are missing.
    """
    place = locate(base.location, base.revision)
    folder = place if isinstance(place, Path) else _snapshot(place, base)
    if not (folder / "model_index.json").is_file():
        raise DataError(
            f"base model {base.location!r} is neither a folder with model_index.json nor to be had from the hub; "
            f"{_ADVICE}"
        )
    if (
        isinstance(place, Path)
        and base.location.count("/") == 1
        and not base.location.startswith((".", "/", "models/"))
    ):
        print(f"base model {base.location!r} is the folder of that name, not a model of the hub", flush=True)
    return folder


def digest_of(base: BaseModel, folder: Path) -> str:
    """What identifies the weights in ``folder``: of a hub model, of what is loaded, whatever else its cache holds."""
    if isinstance(locate(base.location, base.revision), Path):
        return remembered_digest(weights_digest, folder)
    return remembered_digest(_digest_of_wanted, folder, patterns=wanted_files(base.family))


def _digest_of_wanted(folder: Path, patterns: list[str]) -> str:
    """SHA-256 over the names and bytes of the files in ``folder`` that ``patterns`` match."""
    h = hashlib.sha256()
    names = {f.relative_to(folder).as_posix(): f for f in folder.rglob("*") if f.is_file()}
    for name in sorted(n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns)):
        with names[name].open("rb") as stream:
            h.update(f"{name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\0".encode())
    return h.hexdigest()


def wanted_files(family: str) -> list[str]:
    """Patterns of the files in a hub repository in diffusers' layout that a family loads.

    Weights as safetensors in full precision, whole or in shards. Not wanted: single files at the root, other formats,
    ``fp16`` beside them, safety checker and feature extractor.
    """
    patterns = ["model_index.json"]
    for part, weights in _PARTS[family].items():
        if weights:
            patterns += [
                f"{part}/config.json",
                f"{part}/{weights}.safetensors",
                f"{part}/{weights}.safetensors.index.json",
            ]
            patterns.append(f"{part}/{weights}-?????-of-?????.safetensors")
        else:
            patterns += [f"{part}/*.{kind}" for kind in ("json", "txt", "model")]
    return patterns


def _snapshot(model: HubModel, base: BaseModel) -> Path:
    from huggingface_hub import snapshot_download

    commit = commit_of(base.location, base.revision)
    try:
        folder = Path(snapshot_download(model.id, revision=commit, allow_patterns=wanted_files(base.family)))
    except Exception as error:
        raise DataError(
            f"commit {commit} of {model.id} is not to be had from the hub ({type(error).__name__}); {_ADVICE}"
        ) from error
    absent = [part for part, weights in _PARTS[base.family].items() if not _is_there(folder / part, weights)]
    if absent:
        raise DataError(
            f"commit {commit} of {model.id} has no {', '.join(absent)} as safetensors in full precision; {_ADVICE}"
        )
    return folder


def _is_there(part: Path, weights: str) -> bool:
    return any(part.glob(f"{weights}*.safetensors" if weights else "*.json"))

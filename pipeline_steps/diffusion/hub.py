"""Base models: where they lie, and their parts once they are loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline_steps.records.errors import DataError


@dataclass(frozen=True)
class BaseModel:
    """Where a base model lies (folder in diffusers layout, or a hub id with its revision) and how to compute."""

    family: str
    location: str
    revision: str | None
    dtype: str


@dataclass(frozen=True)
class Components:
    """A loaded base model; ``digest`` identifies its weights in cache keys.

    Textual inversion acts on the first text encoder and its tokenizer.
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


def resolve(base: BaseModel) -> Path:
    """The local folder of a base model; a hub id is looked up in the cache or downloaded.

    Raises:
        DataError: it is neither a folder nor to be had from the hub.
    """
    folder = Path(base.location)
    if (folder / "model_index.json").is_file():
        return folder
    advice = (
        f"base model {base.location!r} is neither a folder with model_index.json nor to be had from the hub; set "
        "base_models.<name>.location to a local copy, or (gated models) accept the licence and run 'hf auth login'"
    )
    if folder.is_absolute() or base.location.startswith((".", "models/")) or base.location.count("/") != 1:
        raise DataError(advice)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base.location, revision=base.revision, ignore_patterns=["*.ckpt", "*.bin"]))
    except Exception as error:
        raise DataError(f"{advice} ({type(error).__name__})") from error

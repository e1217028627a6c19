"""LoRA adapters through peft, stored as diffusers' ``load_lora_weights`` reads them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from pipeline_steps.diffusion.families import Components

WEIGHTS = "pytorch_lora_weights.safetensors"


@dataclass(frozen=True)
class Lora:
    """Hu et al. 2021: W + (alpha / rank) B A on the named modules; ``gaussian`` init has B = 0."""

    rank: int
    alpha: int
    target_modules: tuple[str, ...]


def attach(denoiser: Any, lora: Lora, seed: int) -> list[Tensor]:
    """Add a fresh adapter (which changes nothing yet) and return its trainable tensors."""
    torch.manual_seed(seed)
    denoiser.add_adapter(
        LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,
            init_lora_weights="gaussian",
            target_modules=list(lora.target_modules),
        )
    )
    trainable = [p for p in denoiser.parameters() if p.requires_grad]
    for p in trainable:
        p.data = p.data.float()
    return trainable


def save(denoiser: Any, folder: Path) -> None:
    """Write the attached adapter to ``folder``."""
    from diffusers import StableDiffusionPipeline

    # peft's own names: diffusers' converter renames attention layers only, and loading a mixture drops them.
    state = {k: v.detach().cpu().contiguous() for k, v in get_peft_model_state_dict(denoiser).items()}
    # Without its configuration in the file, a loader takes alpha = rank.
    config = denoiser.peft_config["default"].to_dict()
    metadata = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
    folder.mkdir(parents=True, exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(
        folder, unet_lora_layers=state, unet_lora_adapter_metadata=metadata, safe_serialization=True
    )
    _sort_header(folder / WEIGHTS)


def _sort_header(file: Path) -> None:
    """Give equal adapters equal bytes: safetensors writes its metadata in the random order of a hash map."""
    content = file.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


def load(c: Components, folder: Path) -> None:
    """Attach the adapter in ``folder`` to the denoiser, in place."""
    c.denoiser.load_lora_adapter(str(folder), weight_name=WEIGHTS, prefix="unet", use_safetensors=True)
    c.denoiser.eval()


def detach(denoiser: Any) -> None:
    """Remove every adapter."""
    for name in list(getattr(denoiser, "peft_config", {})):
        denoiser.delete_adapters(name)

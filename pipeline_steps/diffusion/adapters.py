"""What fine-tuning learns, and its files: LoRA as diffusers' ``load_lora_weights`` reads it, or a whole denoiser."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.mask_channels import CONVOLUTIONS, load_convolutions, makes_masks, save_convolutions

WEIGHTS = "pytorch_lora_weights.safetensors"
_WHOLE = "denoiser"  # the folder of a denoiser all of whose weights were trained, in diffusers' layout
# By the denoiser's class: diffusers' pipeline that saves its adapters, and what that calls it.
_OWNERS = {
    "UNet2DConditionModel": ("StableDiffusionPipeline", "unet"),
    "FluxTransformer2DModel": ("FluxPipeline", "transformer"),
}


def part_of(denoiser: Any) -> str:
    """What diffusers' pipelines call ``denoiser``."""
    return _OWNERS[type(denoiser).__name__][1]


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


def unfreeze(denoiser: Any) -> list[Tensor]:
    """Make every weight of the denoiser trainable, in 32 bits; returns them."""
    denoiser.float().requires_grad_(requires_grad=True)
    return list(denoiser.parameters())


def save(denoiser: Any, folder: Path) -> None:
    """Write what was trained to ``folder``."""
    import diffusers

    if makes_masks(denoiser):
        folder.mkdir(parents=True, exist_ok=True)
        save_convolutions(denoiser, folder)
    if not getattr(denoiser, "peft_config", None):
        denoiser.save_pretrained(folder / _WHOLE)
        return
    pipeline, part = _OWNERS[type(denoiser).__name__]
    # peft's own names: diffusers' converter renames attention layers only, and loading a mixture drops them.
    state = {k: v.detach().cpu().contiguous() for k, v in get_peft_model_state_dict(denoiser).items()}
    # Without its configuration in the file, a loader takes alpha = rank.
    config = denoiser.peft_config["default"].to_dict()
    metadata = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
    folder.mkdir(parents=True, exist_ok=True)
    named = {f"{part}_lora_layers": state, f"{part}_lora_adapter_metadata": metadata}
    getattr(diffusers, pipeline).save_lora_weights(folder, safe_serialization=True, **named)
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
    """Give the denoiser, in place, what ``folder`` holds."""
    if (folder / CONVOLUTIONS).is_file():
        load_convolutions(c.denoiser, folder)
    if (folder / _WHOLE).is_dir():
        whole = type(c.denoiser).from_pretrained(folder / _WHOLE, use_safetensors=True)
        c.denoiser.load_state_dict(whole.state_dict())
    else:
        part = part_of(c.denoiser)
        c.denoiser.load_lora_adapter(str(folder), weight_name=WEIGHTS, prefix=part, use_safetensors=True)
    c.denoiser.eval()


def find(folder: Path) -> dict[str, Path]:
    """What fine-tuning left in ``folder``, by condition as folders spell it; ``""``: for all of them."""
    if (folder / WEIGHTS).is_file() or (folder / _WHOLE).is_dir():
        return {"": folder}
    return {f.parent.name: f.parent for f in sorted(folder.glob(f"*/{WEIGHTS}"))}


def digest(folder: Path) -> str:
    """SHA-256 over the weights in ``folder``."""
    h = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        with file.open("rb") as stream:
            while block := stream.read(1 << 22):
                h.update(block)
    return h.hexdigest()


def detach(denoiser: Any) -> None:
    """Remove every adapter."""
    for name in list(getattr(denoiser, "peft_config", {})):
        denoiser.delete_adapters(name)

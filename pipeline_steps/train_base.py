"""Train the shipped base model: what a text-to-image model knows of skin before it sees a condition.

Reads: nothing but the phantom renderer. Writes: a Stable-Diffusion-shaped folder with its provenance.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline
from torch import Tensor, nn

from pipeline_steps.checkpoints.provenance import write_curves, write_provenance
from pipeline_steps.datasets.phantom.marks import KINDS
from pipeline_steps.datasets.phantom.render import render_marks
from pipeline_steps.diffusion.pretrain import (
    DenoiserData,
    Images,
    encode_all,
    new_text_encoder,
    new_unet,
    token_ids,
    train_autoencoder,
    train_denoiser,
    train_tokenizer,
)
from pipeline_steps.items.closure import code_digests
from pipeline_steps.parameters.base_training import BaseParams
from pipeline_steps.parameters.optimised import Training
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.progress import Track
from pipeline_steps.stage.run import run, run_key
from pipeline_steps.training.checkpoints import Checkpointing, work_folder
from pipeline_steps.training.optimisation import Optimisation

Module = TypeVar("Module", bound=nn.Module)


def corpus(images: int, size: int, seed: int) -> tuple[Images, list[str]]:
    """Generic marks on all skin types in turn: (N, H, W, 3) uint8, and captions."""
    pictures = np.empty((images, size, size, 3), np.uint8)
    captions = []
    for i in Track(range(images), "render", images):
        drawn = render_marks(FITZPATRICK_TYPES[i % 6], seed * 10_000_000 + i, size)
        pictures[i] = drawn.image
        captions.append(drawn.caption)
    return pictures, captions


def train(params: BaseParams, out: Path, work: Path) -> None:
    """Train all parts into folder ``out``; ``work`` holds checkpoints, so that an interrupted run goes on."""
    torch.set_num_threads(params.threads)
    images, captions = corpus(params.images, params.image_size, params.seed)
    tokenizer = train_tokenizer(captions, params.vocabulary, params.max_tokens)
    ae = params.autoencoder_training
    save = Checkpointing(work / "autoencoder.pt", 500)
    vae, vae_losses = train_autoencoder(images, params.autoencoder, _optimisation(ae, params.seed), ae.batch_size, save)
    vae = as_shipped(vae)
    latents, ids = encode_all(vae, images), token_ids(tokenizer, captions)
    text_encoder = new_text_encoder(tokenizer, params.text_encoder, params.seed)
    unet = new_unet(params.unet, params.seed)
    scheduler = DDPMScheduler(**params.scheduler)
    losses = []
    for number, dn in enumerate(params.denoiser_rounds):
        losses += train_denoiser(
            DenoiserData(latents, ids, draw_weights(captions, dn.emphasis), token_ids(tokenizer, [""])),
            (text_encoder, unet, scheduler),
            _optimisation(dn, params.seed + number),
            batch_size=dn.batch_size,
            caption_dropout=params.caption_dropout,
            save=Checkpointing(work / f"denoiser-{number}.pt", 500),
        )
        text_encoder, unet = as_shipped(text_encoder), as_shipped(unet)
    pipeline = StableDiffusionPipeline(
        vae.cpu(), text_encoder, tokenizer, unet, scheduler, None, None, requires_safety_checker=False
    )
    pipeline.to(torch.float16).save_pretrained(out)
    write_curves(out, autoencoder=vae_losses, denoiser=losses)


def draw_weights(captions: Sequence[str], emphasis: Mapping[str, float]) -> Tensor:
    """How often each caption is drawn (N,): the largest factor of the kinds of marks that it names, else 1.

    Raises:
        ValueError: ``emphasis`` names no kind of mark.
    """
    if unknown := emphasis.keys() - KINDS.keys():
        raise ValueError(f"emphasis: no such kind of mark: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    named = {kind: re.compile(rf"\b{kind}\b") for kind in emphasis}
    return torch.tensor(
        [max((emphasis[k] for k, word in named.items() if word.search(c)), default=1.0) for c in captions]
    )


def as_shipped(module: Module) -> Module:
    """``module`` with weights rounded to the 16 bits that the folder holds, so that what follows trains on those."""
    return module.to(torch.float16).to(torch.float32)


def _optimisation(t: Training, seed: int) -> Optimisation:
    return Optimisation(
        t.steps, t.learning_rate, t.weight_decay, t.warmup_steps, "cosine", t.max_grad_norm, t.ema_decay, seed
    )


def main() -> None:
    """Command line: where to write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/train_base"))
    args = parser.parse_args()
    code, params = code_digests("pipeline_steps.train_base"), read_params(BaseParams, "base_training")
    key = run_key(json.dumps(code), params.model_dump_json())
    with work_folder(args.work, key) as work, atomic_folder(args.out) as out:
        train(params, out, work)
        write_provenance(out, code, params)


if __name__ == "__main__":
    run(main)

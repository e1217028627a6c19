"""Train the shipped Flux-shaped base model: rectified flow on the latents of the Stable-Diffusion-shaped one.

Reads: that model, whose autoencoder and CLIP encoder it keeps. Writes: a folder in the layout of FluxPipeline, with its
provenance. It sees what that model saw: generic marks on all six skin types, none of the conditions.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline
from torch import Tensor

from pipeline_steps.datasets.phantom.render import render_marks
from pipeline_steps.diffusion.conditioning import ids_of, prompt_ids
from pipeline_steps.diffusion.families import Images, family
from pipeline_steps.diffusion.flux import flow_objective
from pipeline_steps.diffusion.hub import BaseModel, Components
from pipeline_steps.diffusion.loop import Checkpointing, Optimisation
from pipeline_steps.diffusion.pretrain import encode_all
from pipeline_steps.diffusion.pretrain_flux import FlowData, new_t5, new_transformer, train_flow, train_unigram
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.records.weights import weights_digest
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.params import Params, read_params
from pipeline_steps.stage.progress import Track
from pipeline_steps.stage.run import run
from pipeline_steps.stage.threads import use_threads


class FluxTraining(Params):
    """``flux_training`` in params.yaml; ``vocabulary`` and ``max_tokens`` are those of the T5 tokenizer."""

    seed: int
    threads: int
    image_size: int
    images: int
    vocabulary: int
    max_tokens: int
    caption_dropout: float
    t5: dict[str, int]
    transformer: dict[str, Any]
    scheduler: dict[str, Any]
    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    max_grad_norm: float
    ema_decay: float


def corpus(p: FluxTraining) -> tuple[Images, list[str]]:
    """Generic marks on all skin types in turn: (N, H, W, 3), and captions."""
    images = np.empty((p.images, p.image_size, p.image_size, 3), np.uint8)
    captions = []
    for i in Track(range(p.images), "render", p.images):
        drawn = render_marks(FITZPATRICK_TYPES[i % 6], p.seed * 10_000_000 + i, p.image_size)
        images[i] = drawn.image
        captions.append(drawn.caption)
    return images, captions


@torch.no_grad()
def pooled_vectors(c: Components, captions: list[str], batch_size: int = 256) -> Tensor:
    """CLIP's pooled vector of each caption, (N, D)."""
    found = []
    for start in range(0, len(captions), batch_size):
        ids = prompt_ids(c, captions[start : start + batch_size])
        found.append(c.text_encoder(ids.to(c.device)).pooler_output.float().cpu())
    return torch.cat(found)


def train(p: FluxTraining, base: Path, out: Path, work: Path) -> None:
    """Train into folder ``out``; ``work`` holds checkpoints, so that an interrupted run goes on."""
    use_threads(p.threads)
    work.mkdir(parents=True, exist_ok=True)
    named = BaseModel("stable_diffusion", str(base), None, "float32")
    c = family(named).load(named)
    images, captions = corpus(p)
    tokenizer = train_unigram(captions, p.vocabulary, p.max_tokens)
    ids = ids_of(tokenizer, captions)
    latents = encode_all(c.vae, images) * c.vae.config.scaling_factor
    empty_ids, empty_pooled = ids_of(tokenizer, [""]), pooled_vectors(c, [""])
    data = FlowData(latents, pooled_vectors(c, captions), ids, empty_pooled, empty_ids)
    scheduler = FlowMatchEulerDiscreteScheduler(**p.scheduler)
    t5, transformer = new_t5(tokenizer, p.t5, p.seed), new_transformer(p.transformer, p.seed)
    how = Optimisation(
        p.steps, p.learning_rate, p.weight_decay, p.warmup_steps, "cosine", p.max_grad_norm, p.ema_decay, p.seed
    )
    losses = train_flow(
        data,
        (t5, transformer, flow_objective(scheduler)),
        how,
        batch_size=p.batch_size,
        caption_dropout=p.caption_dropout,
        save=Checkpointing(work / "flow.pt", 250),
    )
    pipeline = FluxPipeline(scheduler, c.vae.cpu(), c.text_encoder.cpu(), c.tokenizer, t5, tokenizer, transformer)
    pipeline.to(torch.float16).save_pretrained(out)
    thin = [round(float(np.mean(losses[i : i + 100])), 5) for i in range(0, len(losses), 100)]
    (out / "training.json").write_text(json.dumps({"flow": thin}))
    provenance = {"base": weights_digest(base), "params": p.model_dump()}
    (out / "provenance.json").write_text(json.dumps(provenance, indent=1))


def main() -> None:
    """Command line: the model whose latents it learns, and where to write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/train_flux"))
    args = parser.parse_args()
    with whole_folder(args.out) as out:
        train(read_params(FluxTraining, "flux_training"), args.base, out, args.work)


if __name__ == "__main__":
    run(main)

"""Train the shipped Flux-shaped base model: rectified flow on the latents of the Stable-Diffusion-shaped one.

Reads: that model, whose autoencoder and CLIP encoder it keeps. Writes: a folder in the layout of FluxPipeline, with its
provenance. It sees what that model saw: generic marks on all six skin types, none of the conditions (its
tokenizer knows their names).
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline
from torch import Tensor

from pipeline_steps.checkpoints.provenance import write_curves, write_provenance
from pipeline_steps.datasets.generic import generic_images
from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.diffusion.conditioning import ids_of, prompt_ids
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.flux import flow_objective
from pipeline_steps.diffusion.hub import BaseModel, Components, bring_text_encoders
from pipeline_steps.diffusion.pretrain import encode_all
from pipeline_steps.diffusion.pretrain_flux import FlowData, new_t5, new_transformer, train_flow, unigram_tokenizer
from pipeline_steps.items.closure import code_digests
from pipeline_steps.parameters.flux_training import FluxTraining
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import run, run_key
from pipeline_steps.stage.threads import use_threads
from pipeline_steps.training.checkpoints import Checkpointing, work_folder
from pipeline_steps.training.optimisation import optimisation


def terms() -> list[str]:
    """Names and attributes of conditions, in words alone, so that T5's tokenizer need not spell them."""
    seen = [render_condition(name, t, seed, 16).attributes for name in CONDITIONS for t in (1, 6) for seed in range(25)]
    return [*CONDITIONS] * 50 + ["lesion: " + " border, ".join(attributes.values()) for attributes in seen]


@torch.no_grad()
def pooled_vectors(c: Components, captions: list[str], batch_size: int = 256) -> Tensor:
    """CLIP's pooled vector of each caption, (N, D)."""
    found = []
    bring_text_encoders(c)
    for start in range(0, len(captions), batch_size):
        ids = prompt_ids(c, captions[start : start + batch_size])
        found.append(c.text_encoder(ids.to(c.device)).pooler_output.float().cpu())
    return torch.cat(found)


def train(p: FluxTraining, base: Path, out: Path, work: Path) -> None:
    """Train into folder ``out``; ``work`` holds checkpoints, so that an interrupted run goes on."""
    use_threads(p.threads)
    named = BaseModel("stable_diffusion", str(base), None, "float32")
    c = family(named).load(named)
    images, captions = generic_images(p.images, p.image_size, p.seed)
    tokenizer = unigram_tokenizer([*captions, *terms()], p.vocabulary, p.max_tokens)
    ids = ids_of(tokenizer, captions)
    latents = encode_all(c.vae, images) * c.vae.config.scaling_factor
    empty_ids, empty_pooled = ids_of(tokenizer, [""]), pooled_vectors(c, [""])
    data = FlowData(latents, pooled_vectors(c, captions), ids, empty_pooled, empty_ids)
    scheduler = FlowMatchEulerDiscreteScheduler(**p.scheduler)
    t5, transformer = new_t5(tokenizer, p.t5, p.seed), new_transformer(p.transformer, p.seed)
    losses = train_flow(
        data,
        (t5, transformer, flow_objective(scheduler, latents.shape[-2] * latents.shape[-1] // 4)),
        optimisation(p),
        batch_size=p.batch_size,
        caption_dropout=p.caption_dropout,
        save=Checkpointing(work / "flow.pt", 250),
    )
    pipeline = FluxPipeline(scheduler, c.vae.cpu(), c.text_encoder.cpu(), c.tokenizer, t5, tokenizer, transformer)
    pipeline.to(torch.float16).save_pretrained(out)
    write_curves(out, denoiser=losses)


def main() -> None:
    """Command line: the model whose latents it learns, and where to write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/train_flux"))
    args = parser.parse_args()
    code, params = code_digests("pipeline_steps.train_flux"), read_params(FluxTraining, "flux_training")
    key = run_key(json.dumps(code), params.model_dump_json(), args.base)
    with work_folder(args.work, key) as work, atomic_folder(args.out) as out:
        train(params, args.base, out, work)
        write_provenance(out, code, params, args.base)


if __name__ == "__main__":
    run(main)

"""Make an inpainting model of the shipped base model: its denoiser learns to paint a part of an image from the rest.

Reads: the base model. Writes: a folder in the layout of StableDiffusionInpaintPipeline, with its provenance. Trained on
generic phantoms, as the base model was, with random ellipses as regions: either the ellipse or all around it is to be
painted.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from diffusers import StableDiffusionInpaintPipeline
from torch import Tensor

from pipeline_steps.checkpoints.provenance import write_curves, write_provenance
from pipeline_steps.datasets.generic import generic_images, image_seed
from pipeline_steps.diffusion.conditioning import prompt_ids
from pipeline_steps.diffusion.denoising import DenoisingTask, denoising_loss, draw_noised
from pipeline_steps.diffusion.families import Family, family
from pipeline_steps.diffusion.hub import BaseModel, Components
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.regions import for_inpainting, training_conditions
from pipeline_steps.items.closure import code_digests
from pipeline_steps.items.store import ItemStore
from pipeline_steps.parameters.inpaint_training import InpaintTraining
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import run, run_key
from pipeline_steps.stage.threads import use_threads
from pipeline_steps.training.batches import Batch, BatchLoss
from pipeline_steps.training.checkpoints import Checkpointing, work_folder
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import optimisation


def ellipse(rng: np.random.Generator, size: int, half_axes: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """A random ellipse (size, size) about somewhere in the middle half of the image."""
    y, x = np.mgrid[:size, :size] / (size - 1)
    (cy, cx), (a, b), turn = rng.uniform(0.25, 0.75, 2), rng.uniform(*half_axes, 2), rng.uniform(0, np.pi)
    u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
    v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
    inside: npt.NDArray[np.bool_] = (u / a) ** 2 + (v / b) ** 2 <= 1
    return inside


def captioned_loss(
    model: tuple[Family, Components], task: DenoisingTask, captions: list[str], dropout: float
) -> BatchLoss:
    """The loss on random images, each with its caption or, as guidance needs it, with none."""
    f, c = model

    def draw(rng: torch.Generator) -> Batch:
        rows = torch.randint(len(captions), (task.batch_size,), generator=rng)
        dropped = torch.rand(task.batch_size, generator=rng) < dropout
        texts = ["" if drop else captions[row] for row, drop in zip(rows.tolist(), dropped.tolist(), strict=True)]
        return {"ids": prompt_ids(c, texts), **draw_noised(task, rows, rng)}

    def loss(batch: Batch) -> Tensor:
        with torch.no_grad():
            embeds = f.embed(c, batch["ids"])
        return denoising_loss(task, batch, embeds)

    return BatchLoss(draw, loss)


def train(p: InpaintTraining, base: Path, out: Path, work: Path) -> None:
    """Derive the model into folder ``out``; ``work`` holds checkpoints, so that an interrupted run goes on."""
    use_threads(p.threads)
    named = BaseModel("stable_diffusion", str(base), None, "float32")
    f = family(named)
    c = f.load(named)
    images, captions = generic_images(p.images, p.image_size, p.seed)
    seeds = (image_seed(p.seed, i) for i in range(p.images))
    ellipses = np.stack([ellipse(np.random.default_rng(seed), p.image_size, p.ellipse) for seed in seeds])
    store = ItemStore(work / "items")
    latents, _ = encode_images(f, c, images, store)
    for_inpainting(c.denoiser)
    conditioning_latents = training_conditions(f, c, images, ellipses, store)
    trainable = [*c.denoiser.requires_grad_(requires_grad=True).parameters()]
    loss = captioned_loss(
        (f, c),
        DenoisingTask(f, c, latents, p.batch_size, 0.0, conditioning_latents=conditioning_latents),
        captions,
        p.caption_dropout,
    )
    save = Checkpointing(work / "denoiser.pt", 250)
    losses = optimise(trainable, loss, optimisation(p), "inpainting", checkpointing=save)
    pipeline = StableDiffusionInpaintPipeline(
        c.vae, c.text_encoder, c.tokenizer, c.denoiser, c.scheduler, None, None, requires_safety_checker=False
    )
    pipeline.to(torch.float16).save_pretrained(out)
    write_curves(out, denoiser=losses)


def main() -> None:
    """Command line: the base model, and where to write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/train_inpaint"))
    args = parser.parse_args()
    code, params = code_digests("pipeline_steps.train_inpaint"), read_params(InpaintTraining, "inpaint_training")
    key = run_key(json.dumps(code), params.model_dump_json(), args.base)
    with work_folder(args.work, key) as work, atomic_folder(args.out) as out:
        train(params, args.base, out, work)
        write_provenance(out, code, params, args.base)


if __name__ == "__main__":
    run(main)

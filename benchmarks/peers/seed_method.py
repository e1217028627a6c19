"""Image-to-image one source at a time, 100 steps of which half are run, beside this project's generation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.peers.compared import Compared, in_turn, seconds
from benchmarks.peers.models import captions, load, phantoms
from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts
from pipeline_steps.diffusion.denoising import DenoisingTask, adapter_loss
from pipeline_steps.diffusion.families import FAMILIES
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.merging import merged
from pipeline_steps.diffusion.sample import Sampling, sample
from pipeline_steps.features.extractors import extractor
from pipeline_steps.items.store import ItemStore
from pipeline_steps.measures.images.frechet import frechet_distance
from pipeline_steps.measures.images.kernel import kernel_distance
from pipeline_steps.measures.images.sides import Sides
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import Optimisation

F, BATCH, GUIDANCE = FAMILIES["stable_diffusion"], 16, 2.0
# As the default parameters have it (config/base.yaml, majority_to_minority).
OURS = Sampling(
    scheduler="DPMSolverMultistepScheduler", scheduler_options={"algorithm_type": "sde-dpmsolver++"},
    num_inference_steps=10, guidance_scale=GUIDANCE, guidance_interval=(0.0, 0.5), strength=0.8,
)  # fmt: skip


@dataclass(frozen=True)
class Sources:
    """Photographs of light skin (N, H, W, 3) and the prompts of what is to be made of them."""

    images: np.ndarray
    prompts: list[str]


def compare_generation(model: Path, blocks: int, training: int, work: Path) -> tuple[list[Compared], str]:
    """Blocks of 16 sources in turn, and both sets' distances to held-out images of dark skin."""
    c, store = load(model), ItemStore(work / "items-generation")
    _teach(c, store, training)
    images, conditions, _ = phantoms(blocks * BATCH, (1, 2), 40_000, 64)
    dark = [5 + i // 7 % 2 for i in range(len(conditions))]
    sources = Sources(images, captions(conditions, dark))
    made: dict[str, list[np.ndarray]] = {"ours": [], "theirs": []}
    pipeline = _pipeline(c)

    def timed(name: str, make: Any) -> float:
        first = len(made[name]) * BATCH
        chosen = slice(first, first + BATCH)
        block = Sources(sources.images[chosen], sources.prompts[chosen])
        return seconds(lambda: made[name].append(make(block, first))) / BATCH

    with merged(c.denoiser):
        _theirs(pipeline, Sources(images[:1], sources.prompts[:1]), 0, steps=4)
        found = in_turn(
            blocks,
            lambda: timed("ours", lambda block, first: _ours(c, store, block, first)),
            lambda: timed("theirs", lambda block, first: _theirs(pipeline, block, first)),
        )
    row = Compared("image-to-image", "one at a time, 50 of 100 steps", "an image, 64 px", *found, 8.0)
    return [row], _distances({name: np.concatenate(each) for name, each in made.items()})


def _teach(c: Components, store: ItemStore, steps: int) -> None:
    """A LoRA on photographs of light skin, which both sides then use, merged into the weights."""
    images, conditions, types = phantoms(112, (1, 2), 20_000, 64)
    texts = captions(conditions, types)
    latents, _ = encode_images(F, c, images, store)
    loss = adapter_loss(DenoisingTask(F, c, latents, 8, 0.0), texts, embed_prompts(F, c, Tokens({}), texts, store))
    layers = ("to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2")
    trainable = adapters.attach(c.denoiser, adapters.Lora(16, 16, layers), 0)
    optimise(trainable, loss, Optimisation(steps, 1e-3, 1e-2, 10, "constant", 1.0, 0.0, 0), "LoRA")
    c.denoiser.eval()


def _ours(c: Components, store: ItemStore, block: Sources, first: int) -> np.ndarray:
    """As ``generate`` does it: prompts and sources are encoded once, and denoised in one batch."""
    embeds = embed_prompts(F, c, Tokens({}), ["", *block.prompts], store)
    latents, _ = encode_images(F, c, block.images, store)
    prompt = torch.stack([embeds[p] for p in block.prompts])
    start = F.scale(c, latents.mean(torch.arange(len(block.prompts))))
    seeds = range(first, first + len(block.prompts))
    return sample(F, c, OURS, (prompt, embeds[""].expand_as(prompt)), start, seeds)


def _pipeline(c: Components) -> Any:
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline

    pipeline = StableDiffusionImg2ImgPipeline(
        c.vae, c.text_encoder, c.tokenizer, c.denoiser, DDIMScheduler.from_config(c.scheduler.config), None, None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _theirs(pipeline: Any, block: Sources, first: int, steps: int = 100) -> np.ndarray:
    """The published loop: each source by itself."""
    made = []
    for i, (image, prompt) in enumerate(zip(block.images, block.prompts, strict=True)):
        random = torch.Generator().manual_seed(first + i)
        shown = pipeline(
            prompt, Image.fromarray(image), strength=0.5, num_inference_steps=steps, guidance_scale=GUIDANCE,
            generator=random, output_type="np",
        )  # fmt: skip
        made.append((shown.images[0] * 255).round().astype(np.uint8))
    return np.stack(made)


def _distances(made: dict[str, np.ndarray]) -> str:
    """Distances of the shipped features, and an interval of their difference over resampled sources."""
    extract = extractor("shipped", "models/base/phantom-features").extract
    real = extract(phantoms(168, (5, 6), 60_000, 64)[0])
    features = {name: extract(images) for name, images in made.items()}
    sides = {name: Sides(real, x, 3) for name, x in features.items()}
    rng, count = np.random.default_rng(0), len(features["ours"])
    said = []
    for what, distance in (("kernel distance", kernel_distance), ("Fréchet distance", frechet_distance)):
        ours, theirs = (distance(sides[name]) for name in ("ours", "theirs"))
        said.append(f"{what} ours {ours:.4f}, the peer's {theirs:.4f}")
    everyone, differences = np.arange(len(real)), []
    for _ in range(200):
        rows = rng.permutation(count)[: count // 2]
        differences.append(np.subtract(*(kernel_distance(sides[n].part(everyone, rows)) for n in ("ours", "theirs"))))
    low, high = np.quantile(differences, [0.025, 0.975])
    return (
        f"Distance of {count} generated images to {len(real)} held-out images of dark skin, features of the shipped "
        f"network: {'; '.join(said)}. Of halves of the sources, ours less the peer's (kernel distance) is from "
        f"{low:.4f} to {high:.4f} in 95 %."
    )

"""LoRA and textual inversion beside diffusers' example scripts."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.peers.compared import Compared, in_turn, seconds
from benchmarks.peers.models import captions, load, phantoms, write_folder
from benchmarks.peers.scripts import INVERSION, LORA, ends_of_steps, load_script
from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts
from pipeline_steps.diffusion.denoising import DenoisingTask, adapter_loss
from pipeline_steps.diffusion.families import FAMILIES
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.inversion import Inversion, inversion_loss, start_tokens
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.items.store import ItemStore
from pipeline_steps.training.loop import Callback, optimise
from pipeline_steps.training.optimisation import Optimisation

RANK = 16
ATTENTION = ("to_k", "to_q", "to_v", "to_out.0")  # what the script adapts
SIDES = {"tiny": 64, "kl": 128}  # pixels, that latents are 16 x 16 in both
GOALS = {"tiny": 1.0, "kl": 2.5}
KINDS = {"tiny": "the shipped tiny autoencoder", "kl": "AutoencoderKL"}


@dataclass(frozen=True)
class Sizes:
    """How much is done: ``skipped`` of the ``steps`` of a run are not counted."""

    images: int
    batch: int
    steps: int
    skipped: int
    repeats: int


def per_step(ends: list[float], skipped: int) -> float:
    """Median seconds between the ends of steps, without the first ``skipped``."""
    return median(b - a for a, b in pairwise(ends[skipped:]))


def compare_trainings(diffusers: Path, model: Path, kind: str, sizes: Sizes, work: Path) -> tuple[list[Compared], str]:
    """Both trainings with one model, and what our encoding costs once and at every step."""
    images, conditions, types = phantoms(sizes.images, (1, 2), 0, SIDES[kind])
    texts, folder = captions(conditions, types), work / f"images-{kind}"
    write_folder(folder, images, texts)
    plain = folder / "plain"
    shutil.copytree(folder / "train", plain, ignore=shutil.ignore_patterns("*.jsonl"))
    data = {LORA: {"train_data_dir": folder / "train", "rank": RANK}, INVERSION: {"train_data_dir": plain}}
    data[INVERSION] |= {"placeholder_token": "<learned>", "initializer_token": "skin", "num_vectors": 2}
    ours = {LORA: _our_lora, INVERSION: _our_inversion}
    rows, once = [], 0.0
    for name, what in ((LORA, f"LoRA of rank {RANK}"), (INVERSION, "textual inversion")):
        script = load_script(diffusers, name, tiny=kind == "tiny")
        options = data[name] | _options(model, kind, sizes, work)
        store = ItemStore(work / f"items-{kind}-{Path(name).stem}")
        c = load(model)
        once = seconds(lambda c=c, store=store: encode_images(FAMILIES["stable_diffusion"], c, images, store))
        run = _timed(ours[name], model, (images, texts, conditions), store, sizes)
        found = in_turn(sizes.repeats, run, _theirs(script, options, sizes))
        unit = f"a step of {sizes.batch}, {SIDES[kind]} px"
        rows.append(Compared(f"{what}, {KINDS[kind]}", f"`{Path(name).name}`", unit, *found, GOALS[kind]))
    return rows, _shares(load(model), kind, once, sizes)


def _options(model: Path, kind: str, sizes: Sizes, work: Path) -> dict[str, Any]:
    return {
        "pretrained_model_name_or_path": model,
        "resolution": SIDES[kind],
        "train_batch_size": sizes.batch,
        "max_train_steps": sizes.steps,
        "learning_rate": 1e-3,
        "lr_scheduler": "constant",
        "seed": 0,
        "output_dir": work / "out",
    }


def _theirs(script: Any, options: dict[str, Any], sizes: Sizes) -> Callable[[], float]:
    return lambda: per_step(ends_of_steps(script, options), sizes.skipped)


def _timed(train: Callable[..., None], model: Path, data: Any, store: ItemStore, sizes: Sizes) -> Callable[[], float]:
    def run() -> float:
        ends: list[float] = []
        how = Optimisation(sizes.steps, 1e-3, 1e-2, 0, "constant", 1.0, 0.0, 0)
        train(load(model), data, store, (how, [Callback(1, lambda _: ends.append(time.perf_counter()))], sizes.batch))
        return per_step(ends, sizes.skipped)

    return run


def _our_lora(c: Components, data: Any, store: ItemStore, how: Any) -> None:
    (images, texts, _), f, (optimisation, callbacks, batch) = data, FAMILIES["stable_diffusion"], how
    latents, _ = encode_images(f, c, images, store)
    embeds = embed_prompts(f, c, Tokens({}), texts, store)
    trainable = adapters.attach(c.denoiser, adapters.Lora(RANK, RANK, ATTENTION), 0)
    loss = adapter_loss(DenoisingTask(f, c, latents, batch, 0.0), texts, embeds)
    optimise(trainable, loss, optimisation, "LoRA", callbacks=callbacks)


def _our_inversion(c: Components, data: Any, store: ItemStore, how: Any) -> None:
    (images, _, conditions), f, (optimisation, callbacks, batch) = data, FAMILIES["stable_diffusion"], how
    latents, _ = encode_images(f, c, images, store)
    templates = ("a photo of a {token}", "a rendition of {token}")
    learned_of = Inversion(tuple(sorted(set(conditions))), 2, "skin", templates)
    tokens = start_tokens(c, learned_of)
    learned, loss = inversion_loss(DenoisingTask(f, c, latents, batch, 0.0), tokens, conditions, learned_of)
    optimise(learned, loss, optimisation, "inversion", callbacks=callbacks)


def _shares(c: Components, kind: str, once: float, sizes: Sizes) -> str:
    """The profile: encoder, and denoiser forwards and backwards, of one batch alone."""
    pixels = torch.rand(sizes.batch, 3, SIDES[kind], SIDES[kind]) * 2 - 1
    latents = torch.randn(sizes.batch, c.denoiser.config.in_channels, 16, 16)
    words = torch.randn(sizes.batch, c.tokenizer.model_max_length, c.text_encoder.config.hidden_size)
    adapters.attach(c.denoiser, adapters.Lora(RANK, RANK, ATTENTION), 0)
    times = torch.zeros(sizes.batch, dtype=torch.long)

    @torch.no_grad()
    def encode() -> None:
        c.vae.encode(pixels)

    def denoise() -> None:
        c.denoiser(latents, times, words).sample.square().mean().backward()

    encoder, denoiser = (median([seconds(part) for _ in range(4)][1:]) for part in (encode, denoise))
    return (
        f"With {KINDS[kind]} at {SIDES[kind]} px: encoding a batch of {sizes.batch} takes {1000 * encoder:.0f} ms, the "
        f"denoiser forwards and backwards {1000 * denoiser:.0f} ms. The peer's step pays both, ours the second: if "
        f"nothing else differed, the ratio would be {(encoder + denoiser) / denoiser:.2f}. Encoding all {sizes.images} "
        f"images once, before the first step, took us {once:.2f} s, which the table's steps do not hold."
    )

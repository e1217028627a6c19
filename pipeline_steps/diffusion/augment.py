"""Images by denoising, from noise or from a source: a base model, what was learned on it, and captions."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, embed_prompts, encoder_texts, load_tokens
from pipeline_steps.diffusion.families import Family, Images, family
from pipeline_steps.diffusion.hub import BaseModel, Components
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.merging import merged
from pipeline_steps.diffusion.sample import sample, sampling
from pipeline_steps.diffusion.settings import read_base
from pipeline_steps.diffusion.stored import Embeddings
from pipeline_steps.generation.jobs import GeneratedImages, Inputs, Job
from pipeline_steps.generation.modes.denoising import ImageToImageParams, TextToImageParams
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.digests import remembered_digest
from pipeline_steps.items.store import CacheStats, StoredItems, default_store, item_key
from pipeline_steps.parameters.inversions import check_inversion
from pipeline_steps.parameters.learned import LearnedParams
from pipeline_steps.parameters.sampler import Sampler
from pipeline_steps.pixels.images import Pixels, png_bytes
from pipeline_steps.records.captioned import Prompt, read_captions
from pipeline_steps.records.manifest import Dataset, open_dataset
from pipeline_steps.records.privacy import shown_name
from pipeline_steps.records.slugs import slug
from pipeline_steps.stage.errors import DataError

Shape = tuple[int, int, int]
_EMPTY = Prompt("", "")


@dataclass(frozen=True)
class Model:
    """A base model with what was learned on it, and the images to start from.

    ``origin``: digests of everything learned that an image comes from.
    """

    f: Family
    c: Components
    tokens: Tokens
    origin: Mapping[str, str]
    dataset: Dataset


@dataclass(frozen=True)
class SamplingPlan:
    """How a mode makes its images, (B, H, W, 3 or 4), of the jobs at some positions, given their prompts' embeddings.

    ``module``: the code that the bits depend on; ``extra``: what else they depend on, beside prompt, seed, source and
    models, one entry a job; ``file``: what is kept of an image.
    """

    module: str
    extra: Sequence[Mapping[str, Any]]
    make: Callable[[list[int], tuple[Tensor, Tensor]], Images]
    file: Callable[[Pixels], bytes] = png_bytes


PrepareSampling = Callable[[Model, Any, Sequence[Job]], SamplingPlan]


def text_to_image(
    params: TextToImageParams, inputs: Inputs, jobs: Sequence[Job], _train: pd.DataFrame
) -> GeneratedImages:
    """Images from noise, as ``generate_images`` makes them."""
    return generate_images(_from_noise, params, inputs, jobs)


def image_to_image(
    params: ImageToImageParams, inputs: Inputs, jobs: Sequence[Job], _train: pd.DataFrame
) -> GeneratedImages:
    """Images from their sources, as ``generate_images`` makes them."""
    return generate_images(_from_source, params, inputs, jobs)


def _from_noise(m: Model, params: TextToImageParams, jobs: Sequence[Job]) -> SamplingPlan:
    shape = latent_shape(m)
    return _plan(m, params, jobs, 1.0, lambda _: shape)


def _from_source(m: Model, params: ImageToImageParams, jobs: Sequence[Job]) -> SamplingPlan:
    ids = list(dict.fromkeys(j.source_id for j in jobs))
    latents, _ = encode_images(m.f, m.c, m.dataset.images(ids), default_store())
    place = {image_id: row for row, image_id in enumerate(ids)}

    def start(batch: list[int]) -> Tensor:
        return m.f.scale(m.c, latents.mean(torch.tensor([place[jobs[i].source_id] for i in batch])))

    return _plan(m, params, jobs, params.strength, start)


def latent_shape(m: Model) -> Shape:
    """(C, h, w) of one image's latents at the data set's size: of a black one, for no source is looked at."""
    black = np.zeros((1, m.dataset.side, m.dataset.side, 3), np.uint8)
    channels, height, width = m.f.encode(m.c, black)[0].shape[1:]
    return channels, height, width


def _plan(
    m: Model, params: Sampler, jobs: Sequence[Job], strength: float, start: Callable[[list[int]], Tensor | Shape]
) -> SamplingPlan:
    """Denoising at ``strength`` from what ``start`` gives for the jobs at some positions."""
    how = sampling(params, strength)

    def make(batch: list[int], embeds: tuple[Tensor, Tensor]) -> Images:
        return sample(m.f, m.c, how, embeds, start(batch), [jobs[i].seed for i in batch])

    return SamplingPlan(__name__, [{"strength": how.strength}] * len(jobs), make)


def generate_images(
    prepare: PrepareSampling, params: LearnedParams, inputs: Inputs, jobs: Sequence[Job]
) -> GeneratedImages:
    """Make all images through the item store as ``prepare`` plans it, each with its condition's adapter.

    Raises:
        DataError: a condition lacks its adapter, or a prompt is longer than the text encoder holds.
    """
    base = read_base(params.base)
    if params.inversion:
        check_inversion(base.family, f"an augmenter of mode {params.mode}")
    f = family(base)
    c = f.load(base)
    tokens, captions, dataset = load_tokens(inputs.tokens), read_captions(inputs.captions), open_dataset(inputs.dataset)
    add_tokens(c, tokens)
    prompts = [captions.prompt(j.source_id, tokens.name(j.condition), j.target_level) for j in jobs]
    by_adapter = _by_adapter(inputs.adapter, jobs)
    embeds = embed_prompts(f, c, tokens, [_EMPTY, *prompts], default_store())  # before the denoiser needs the room
    keys, origin, reused = [""] * len(jobs), [dict[str, str]()] * len(jobs), 0
    for weights, mine in by_adapter:
        adapters.detach(c.denoiser)
        if weights:
            adapters.load(c, weights)
        learned = remembered_digest(adapters.digest, weights) if weights else ""
        m = Model(f, c, tokens, {"base": c.digest, "adapter": learned, "tokens": _token_digest(tokens)}, dataset)
        chosen = [jobs[i] for i in mine]
        plan = prepare(m, params, chosen)
        with merged(c.denoiser):
            done, use = _through_store(m, params, chosen, ([prompts[i] for i in mine], embeds), plan)
        reused += use.reused
        for i, key in zip(mine, done.keys, strict=True):
            keys[i], origin[i] = key, {**m.origin, **_short_prompt(c, prompts[i])}
    files = StoredItems(default_store(), keys)
    return GeneratedImages(files, [p.text for p in prompts], origin, _maker(base, c), reused, len(jobs) - reused)


def _maker(base: BaseModel, c: Components) -> str:
    """The base model in words."""
    commit = f" at commit `{base.revision}`" if base.revision else ""
    return f"`{shown_name(base.location)}`{commit} (SHA-256 `{c.digest}`)"


def _short_prompt(c: Components, prompt: Prompt) -> dict[str, str]:
    """The prompt of a second text encoder, where there is one."""
    return {"short_prompt": prompt.short} if len(c.tokenizers) > 1 else {}


def _by_adapter(adapter: Path, jobs: Sequence[Job]) -> list[tuple[Path | None, list[int]]]:
    """Positions of jobs by the adapter they need: none, a joint one, or one a condition."""
    everything = list(range(len(jobs)))
    own = adapters.find(adapter)
    if not own:
        return [(None, everything)]
    if "" in own:
        return [(own[""], everything)]
    conditions = {j.condition: slug(j.condition) for j in jobs}
    if lacking := sorted(c for c, name in conditions.items() if name not in own):
        raise DataError(f"{adapter} holds no adapter for {', '.join(lacking)}; run finetune again")
    return [(own[conditions[c]], [i for i in everything if jobs[i].condition == c]) for c in sorted(conditions)]


def _through_store(
    m: Model,
    params: LearnedParams,
    jobs: Sequence[Job],
    told: tuple[Sequence[Prompt], Embeddings[Prompt]],
    plan: SamplingPlan,
) -> tuple[StoredItems, CacheStats]:
    """PNG files of ``jobs`` under the prompts that each is ``told``, in the store, and how many of them were known."""
    prompts, embeds = told
    pixels = m.dataset.manifest.set_index("image_id")["sha256"]
    sampler = {name: getattr(params, name) for name in Sampler.model_fields}
    shared = {**m.origin, "sampler": sampler, "batch": params.batch_size, "dtype": str(m.c.dtype), "mode": params.mode}
    shared["merging"] = code_version(merged.__module__)
    code = code_version(plan.module)
    keys = [
        item_key("image", code, told=encoder_texts(m.c, p), seed=j.seed, source=pixels[j.source_id], **shared, **extra)
        for j, p, extra in zip(jobs, prompts, plan.extra, strict=True)
    ]

    def compute(batch: list[int]) -> list[Pixels]:
        prompt = torch.stack([embeds[prompts[i]] for i in batch])
        return list(plan.make(batch, (prompt, embeds[_EMPTY].expand_as(prompt))))

    behind = m.c.device.type != "cpu"  # a thread would take cores from a CPU's next batch
    store, size = default_store(), params.batch_size
    return store.get_or_compute(keys, compute, size, "generate", finish=plan.file, behind=behind)


def _token_digest(tokens: Tokens) -> str:
    h = hashlib.sha256()
    for condition, (_, vectors) in sorted(tokens.vectors.items()):
        h.update(condition.encode() + vectors.numpy().tobytes())
    return h.hexdigest() if tokens.vectors else ""

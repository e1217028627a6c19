"""Images by denoising, from noise or from a source: a base model, what was learned on it, and captions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import torch

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, embed_prompts, load_tokens
from pipeline_steps.diffusion.families import Components, Family, family
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.sample import Sampling, sample
from pipeline_steps.diffusion.settings import read_base
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import default_store, item_key
from pipeline_steps.records.captioned import read_captions
from pipeline_steps.records.cards import shown_name
from pipeline_steps.records.errors import DataError
from pipeline_steps.records.images import png_bytes
from pipeline_steps.records.jobs import Inputs, Job, JobParams, Made
from pipeline_steps.records.manifest import Dataset, open_dataset


class DiffusionParams(JobParams, Sampling):
    """An entry of ``augmenters`` whose images are denoised. ``batch_size`` is a fixed shape: bits depend on it."""

    mode: Literal["txt2img", "img2img"]
    base: str
    captioner: str
    inversion: str | None
    adapter: str | None
    batch_size: int


@dataclass(frozen=True)
class _Generator:
    """A base model with what was learned on it, and the images to start from."""

    f: Family
    c: Components
    tokens: Tokens
    weights: Path | None
    dataset: Dataset

    @property
    def origin(self) -> dict[str, str]:
        """Digests of everything learned that an image comes from."""
        return {"base": self.c.digest, "adapter": _digest(self.weights), "tokens": _token_digest(self.tokens)}


def denoise(params: DiffusionParams, inputs: Inputs, jobs: Sequence[Job], _train: pd.DataFrame) -> Made:
    """Make all images through the item store, each with the adapter of its condition.

    Raises:
        DataError: a condition lacks its adapter, or a prompt is longer than the text encoder holds.
    """
    base = read_base(params.base)
    f = family(base)
    c = f.load(base)
    tokens, captions, dataset = load_tokens(inputs.tokens), read_captions(inputs.captions), open_dataset(inputs.dataset)
    add_tokens(c, tokens)
    prompts = [captions.prompt(j.source_id, tokens.name(j.condition), j.target_type) for j in jobs]
    files, origin, reused = [b""] * len(jobs), [dict[str, str]()] * len(jobs), 0
    for weights, mine in _by_adapter(inputs.adapter, jobs):
        adapters.detach(c.denoiser)
        if weights:
            adapters.load(c, weights)
        g = _Generator(f, c, tokens, weights, dataset)
        done, known = _through_store(g, params, [jobs[i] for i in mine], [prompts[i] for i in mine])
        reused += known
        for i, file in zip(mine, done, strict=True):
            files[i], origin[i] = file, g.origin
    maker = f"`{shown_name(base.location)}` (SHA-256 `{c.digest}`)"
    return Made(files, prompts, origin, maker, reused, len(jobs) - reused)


def _by_adapter(adapter: Path, jobs: Sequence[Job]) -> list[tuple[Path | None, list[int]]]:
    """Positions of jobs by the adapter they need: none, a joint one, or one a condition."""
    everything = list(range(len(jobs)))
    if (adapter / adapters.WEIGHTS).is_file():
        return [(adapter, everything)]
    own = {f.parent.name for f in adapter.glob(f"*/{adapters.WEIGHTS}")}
    if not own:
        return [(None, everything)]
    conditions = sorted({j.condition for j in jobs})
    if lacking := [n for n in conditions if n.replace(" ", "_") not in own]:
        raise DataError(f"{adapter} holds no adapter for {', '.join(lacking)}; run finetune again")
    return [(adapter / n.replace(" ", "_"), [i for i in everything if jobs[i].condition == n]) for n in conditions]


def _through_store(
    g: _Generator, params: DiffusionParams, jobs: Sequence[Job], prompts: Sequence[str]
) -> tuple[list[bytes], int]:
    """PNG files of ``jobs``, and how many of them were known."""
    store, sampling = default_store(), _sampling(params)
    embeds = embed_prompts(g.f, g.c, g.tokens, ["", *prompts], store)
    latents, _ = encode_images(g.f, g.c, g.dataset.images([j.source_id for j in jobs]), store)
    sources = g.f.scale(g.c, latents.mean)
    pixels = g.dataset.manifest.set_index("image_id")["sha256"]
    shared = {**g.origin, "sampling": sampling.model_dump(), "batch": params.batch_size, "dtype": str(g.c.dtype)}
    code = code_version("pipeline_steps.diffusion.sample")
    keys = [
        item_key("image", code, prompt=p, seed=j.seed, source=pixels[j.source_id], mode=params.mode, **shared)
        for j, p in zip(jobs, prompts, strict=True)
    ]

    def compute(batch: list[int]) -> list[bytes]:
        prompt = torch.stack([embeds[prompts[i]] for i in batch])
        empty = embeds[""].expand_as(prompt)
        start = sources[batch] if params.mode == "img2img" else None
        images = sample(g.f, g.c, sampling, (prompt, empty), start, [jobs[i].seed for i in batch])
        return [png_bytes(image) for image in images]

    values, use = store.through(keys, compute, params.batch_size, "generate")
    return values, use.reused


def _sampling(params: DiffusionParams) -> Sampling:
    """The sampler's settings; text-to-image has strength 1."""
    shared = {name: getattr(params, name) for name in Sampling.model_fields}
    return Sampling(**(shared | ({"strength": 1.0} if params.mode == "txt2img" else {})))


def _digest(weights: Path | None) -> str:
    return "" if weights is None else hashlib.sha256((weights / adapters.WEIGHTS).read_bytes()).hexdigest()


def _token_digest(tokens: Tokens) -> str:
    h = hashlib.sha256()
    for condition, (_, vectors) in sorted(tokens.vectors.items()):
        h.update(condition.encode() + vectors.numpy().tobytes())
    return h.hexdigest() if tokens.vectors else ""

"""Generate images of the conditions on the wanted skin types.

Reads: base model, data set, split, captions, tokens, adapter. Writes: ``data/synthetic/<cell>``: PNG files and
``metadata.csv`` in the layout of ``datasets.load_dataset("imagefolder")``. Each file carries its provenance.
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, embed_prompts, load_tokens
from pipeline_steps.diffusion.families import Components, Family, family
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.sample import Sampling, sample
from pipeline_steps.diffusion.settings import read_base
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import Use, default_store, item_key, item_seed
from pipeline_steps.records.captioned import read_captions
from pipeline_steps.records.cards import images_card
from pipeline_steps.records.errors import DataError
from pipeline_steps.records.images import png_bytes, with_text
from pipeline_steps.records.manifest import Dataset, open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.stage import pictures
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads


class AugmenterParams(Sampling):
    """One entry of ``augmenters`` in params.yaml."""

    base: str
    captioner: str
    inversion: str | None
    adapter: str | None
    mode: str
    images_per_source: int
    max_sources: int
    target_types: tuple[int, ...]
    batch_size: int
    seed: int


@dataclass(frozen=True)
class Job:
    """One image to make.

    ``seed`` comes from the source's pixels, copy and the augmenter's seed: strategies share noise, and a renamed
    source changes nothing.
    """

    file_name: str
    condition: str
    source_id: str
    source_type: int
    target_type: int
    copy: int
    prompt: str
    seed: int


@dataclass(frozen=True)
class Inputs:
    """Folders and files a run reads."""

    dataset: Path
    split: Path
    captions: Path
    tokens: Path
    adapter: Path


def plan_jobs(train: pd.DataFrame, params: AugmenterParams, prompt: Any) -> list[Job]:
    """The jobs of all sources: a source of a target type keeps it, any other gets a random target type.

    ``max_sources`` > 0 takes that many sources, spread evenly over the conditions.
    """
    jobs = []
    source: Any
    for source in _sources(train, params.max_sources).itertuples():
        for copy in range(params.images_per_source):
            key = hashlib.sha256(f"{params.seed} {source.sha256} {copy}".encode()).hexdigest()
            own = int(source.fitzpatrick_scale)
            pick = int(np.random.default_rng(item_seed(key)).integers(len(params.target_types)))
            target = own if own in params.target_types else params.target_types[pick]
            said = prompt(source.image_id, source.condition, target)
            name = f"{source.condition.replace(' ', '_')}/{source.image_id}-{target}-{copy}.png"
            jobs.append(Job(name, source.condition, source.image_id, own, target, copy, said, item_seed(key)))
    return jobs


def _sources(train: pd.DataFrame, most: int) -> pd.DataFrame:
    if most <= 0 or most >= len(train):
        return train
    rank = train.groupby("condition").cumcount()
    return train.assign(rank=rank).sort_values(["rank", "condition"], kind="stable").head(most).drop(columns="rank")


def generate(params: AugmenterParams, inputs: Inputs, out: Path) -> Use:
    """Make all images of a cell through the item store and write the folder."""
    base = read_base(params.base)
    f = family(base)
    c = f.load(base)
    tokens = load_tokens(inputs.tokens)
    add_tokens(c, tokens)
    captions = read_captions(inputs.captions)
    train, dataset = read_partition(inputs.split, "train"), open_dataset(inputs.dataset)
    jobs = plan_jobs(train, params, lambda i, condition, t: captions.prompt(i, tokens.name(condition), t))
    with whole_folder(out) as folder:
        use = Use(0, 0)
        for weights, mine in _by_adapter(inputs.adapter, jobs):
            adapters.detach(c.denoiser)
            if weights:
                adapters.load(c, weights)
            done = _make(Generator(f, c, tokens, weights, dataset), params, mine, folder)
            use = Use(use.reused + done.reused, use.computed + done.computed)
        made = pd.DataFrame([asdict(j) | {"is_synthetic": True} for j in jobs])
        made.to_csv(folder / "metadata.csv", index=False)
        text = images_card(base.location, c.digest, params.model_dump(exclude={"base"}), made)
        (folder / "README.md").write_text(text, "utf-8")
        _show(folder, jobs, out.name)
    return use


def _show(folder: Path, jobs: list[Job], cell: str, most: int = 8) -> None:
    """A picture of the first images of each condition: rows are conditions."""
    rows = []
    for condition in sorted({j.condition for j in jobs}):
        names = [j.file_name for j in jobs if j.condition == condition][:most]
        rows.append([np.asarray(Image.open(folder / name)) for name in names])
    pictures.show(rows, f"{cell}/first")


def _by_adapter(adapter: Path, jobs: list[Job]) -> list[tuple[Path | None, list[Job]]]:
    """Jobs by the adapter they need: none, a joint one, or one a condition.

    Raises:
        DataError: a condition has no adapter of its own.
    """
    if (adapter / adapters.WEIGHTS).is_file():
        return [(adapter, jobs)]
    own = {f.parent.name for f in adapter.glob(f"*/{adapters.WEIGHTS}")}
    if not own:
        return [(None, jobs)]
    conditions = sorted({j.condition for j in jobs})
    if lacking := [n for n in conditions if n.replace(" ", "_") not in own]:
        raise DataError(f"{adapter} holds no adapter for {', '.join(lacking)}; run finetune again")
    return [(adapter / n.replace(" ", "_"), [j for j in jobs if j.condition == n]) for n in conditions]


@dataclass(frozen=True)
class Generator:
    """A base model with what was learned on it, and the images to start from."""

    f: Family
    c: Components
    tokens: Tokens
    weights: Path | None
    dataset: Dataset


def _make(g: Generator, params: AugmenterParams, jobs: list[Job], folder: Path) -> Use:
    """Make ``jobs`` through the item store and write them under ``folder``."""
    store, sampling = default_store(), _sampling(params)
    embeds = embed_prompts(g.f, g.c, g.tokens, ["", *(j.prompt for j in jobs)], store)
    latents, _ = encode_images(g.f, g.c, g.dataset.images([j.source_id for j in jobs]), store)
    sources = g.f.scale(g.c, latents.mean)
    provenance = {"base": g.c.digest, "adapter": _digest(g.weights), "tokens": _token_digest(g.tokens)}

    def compute(batch: list[int]) -> list[bytes]:
        prompt = torch.stack([embeds[jobs[i].prompt] for i in batch])
        empty = embeds[""].expand_as(prompt)
        start = sources[batch] if params.mode == "img2img" else None
        images = sample(g.f, g.c, sampling, (prompt, empty), start, [jobs[i].seed for i in batch])
        return [png_bytes(image) for image in images]

    keys = _keys(g, params, jobs, {**provenance, "sampling": sampling.model_dump()})
    values, use = store.through(keys, compute, params.batch_size, "generate")
    for job, value in zip(jobs, values, strict=True):
        path = folder / job.file_name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(with_text(value, _text(job, provenance)))
    return use


def _keys(g: Generator, params: AugmenterParams, jobs: list[Job], shared: dict[str, Any]) -> list[str]:
    """Everything that an image depends on, as its key in the item store."""
    code = code_version("pipeline_steps.diffusion.sample")
    pixels = g.dataset.manifest.set_index("image_id")["sha256"]
    shape = {"batch": params.batch_size, "dtype": str(g.c.dtype), "mode": params.mode}
    return [
        item_key("image", code, prompt=j.prompt, seed=j.seed, source=pixels[j.source_id], **shared, **shape)
        for j in jobs
    ]


def _sampling(params: AugmenterParams) -> Sampling:
    """The sampler's settings; text-to-image has strength 1.

    Raises:
        DataError: the mode is unknown.
    """
    if params.mode not in ("txt2img", "img2img"):
        raise DataError(f"augmenter mode {params.mode!r} is neither txt2img nor img2img")
    shared = {name: getattr(params, name) for name in Sampling.model_fields}
    return Sampling(**(shared | ({"strength": 1.0} if params.mode == "txt2img" else {})))


def _text(job: Job, provenance: dict[str, str]) -> dict[str, str]:
    return {
        "is_synthetic": "true",
        "source_id": job.source_id,
        "prompt": job.prompt,
        "seed": str(job.seed),
        **provenance,
    }


def _digest(weights: Path | None) -> str:
    return "" if weights is None else hashlib.sha256((weights / adapters.WEIGHTS).read_bytes()).hexdigest()


def _token_digest(tokens: Tokens) -> str:
    h = hashlib.sha256()
    for condition, (_, vectors) in sorted(tokens.vectors.items()):
        h.update(condition.encode() + vectors.numpy().tobytes())
    return h.hexdigest() if tokens.vectors else ""


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, "--dataset", "--split", "--captions", "--tokens", "--adapter", "--out")
    arguments.add_argument("--augmenter", required=True)
    args = arguments.parse_args()
    use_threads(read_params(Threads, "compute").threads)
    params = read_params(AugmenterParams, f"augmenters.{args.augmenter}")
    use = generate(params, Inputs(args.dataset, args.split, args.captions, args.tokens, args.adapter), args.out)
    print(f"images: {use.computed} computed, {use.reused} reused")


if __name__ == "__main__":
    run(main)

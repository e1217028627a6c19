"""Fine-tune a base model on the captioned training images, by LoRA or in all its weights.

Reads: base model, data set, split, captions, tokens. Writes: ``models/adapters/<cell>``: weights that diffusers'
``load_lora_weights`` reads (one file, or a folder a condition where ``joint`` is false), or a whole denoiser, and the
training curve.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, embed_prompts, load_tokens
from pipeline_steps.diffusion.families import Family, Images, family
from pipeline_steps.diffusion.fit import DenoisingTask, Prior, adapter_loss, validation_loss
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.latents import LatentSet, encode_images
from pipeline_steps.diffusion.mask_channels import as_images, learn_scale, widen
from pipeline_steps.diffusion.preview import Preview
from pipeline_steps.diffusion.regions import check_base, training_conditions
from pipeline_steps.diffusion.sample import sample, sampling
from pipeline_steps.diffusion.settings import check_base_wiring, read_base, write_history
from pipeline_steps.generation.adapter_card import AdapterUse, adapter_card
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import default_store
from pipeline_steps.parameters.adapters import AdapterParams, MaskTerms
from pipeline_steps.parameters.inversions import check_inversion
from pipeline_steps.records.captioned import Captions, Prompt, read_captions
from pipeline_steps.records.manifest import Dataset, open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.slugs import slug
from pipeline_steps.stage.outputs import atomic_file, atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run, run_key
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.stage.wiring import check_wiring, on_split
from pipeline_steps.training.loop import Checkpointing, Look, optimise
from pipeline_steps.training.optimised import optimisation


@dataclass(frozen=True)
class TrainingContext:
    """What every adapter of one run trains on.

    ``key`` names its checkpoints, ``location`` at ``commit`` the base model, ``tokens_folder`` the files of ``tokens``.
    """

    f: Family
    c: Components
    dataset: Dataset
    captions: Captions
    tokens: Tokens
    key: str
    location: str
    commit: str | None
    tokens_folder: Path


@dataclass(frozen=True)
class RunLabels:
    """The cell being trained, and the label of one of its adapters: a condition, or ``all``."""

    cell: str
    label: str


def finetune(params: AdapterParams, m: TrainingContext, split: Path, out: Path) -> None:
    """Train one adapter on all conditions, or one on each."""
    train, validation = read_partition(split, "train"), read_partition(split, "validation")
    names = ["."] if params.joint else sorted(set(train["condition"]))
    with atomic_folder(out) as folder:
        for name in names:
            mine = [t if name == "." else t[t["condition"] == name].reset_index(drop=True) for t in (train, validation)]
            label = "all" if name == "." else slug(name)
            place = folder if name == "." else folder / label
            _one_adapter(params, m, (mine[0], mine[1]), place, RunLabels(out.name, label))
        settings = params.model_dump(exclude={"base"}) | ({"base_revision": m.commit} if m.commit else {})
        card = adapter_card(_use(params, m, train, out), m.c.digest, settings, train, split.stem)
        (folder / "README.md").write_text(str(card), "utf-8")


def _use(params: AdapterParams, m: TrainingContext, train: pd.DataFrame, out: Path) -> AdapterUse:
    """How the adapter is loaded elsewhere, with the prompt of the first training image."""
    tokens = {condition: placeholder for condition, (placeholder, _) in m.tokens.vectors.items()}
    first = train.iloc[0]
    named = tokens.get(first["condition"], first["condition"])
    return AdapterUse(
        base=m.location,
        revision=m.commit,
        dtype=str(m.c.dtype).removeprefix("torch."),
        part=adapters.part_of(m.c.denoiser),
        folder=out,
        conditions=() if params.joint else tuple(sorted(set(train["condition"]))),
        task=params.task,
        method=params.method,
        tokens=tokens,
        tokens_folder=m.tokens_folder,
        prompt=m.captions.prompt(first["image_id"], named, first["level"]).text,
    )


def _one_adapter(
    params: AdapterParams, m: TrainingContext, rows: tuple[pd.DataFrame, pd.DataFrame], folder: Path, names: RunLabels
) -> None:
    t = params.training
    fits = [_fit(m, r, params) for r in rows]
    adapters.detach(m.c.denoiser)
    prior = _prior(m, params, fits[0][0].latents)  # before anything is trained
    trainable = _attach(m.c.denoiser, params)
    if params.task == "image_and_mask":
        learn_scale(m.c.denoiser, m.f.scale(m.c, fits[0][0].latents.mean).chunk(2, dim=1)[1])
    save = Checkpointing(Path("runs/checkpoints") / f"{m.key}-{names.label}.pt", t.checkpoint_every)
    record = save.path.with_suffix(".json")  # of validation losses: a resumed training does not measure them again
    validated = _validated(record)
    preview = _preview(m, rows[0]["condition"], fits[0], f"{names.cell}/{names.label}")

    def validate(step: int) -> None:
        validated[step] = validation_loss(*fits[1], seed=t.seed)
        with atomic_file(record) as temporary:
            temporary.write_text(json.dumps(validated), "utf-8")

    looks = [Look(t.validate_every, validate)] if len(rows[1]) else []
    looks += [Look(params.preview_every, preview.draw)] if params.preview_every else []
    loss, what = adapter_loss(*fits[0], prior=prior), f"{params.method} {names.label}"
    losses = optimise(trainable, loss, optimisation(t), what, save, looks)
    adapters.save(m.c.denoiser, folder)
    write_history(folder / "history.csv", losses, t.validate_every, validated)
    for file in (save.path, record):
        file.unlink(missing_ok=True)


def _validated(record: Path) -> dict[int, float]:
    """What an interrupted training measured, by step."""
    known = json.loads(record.read_text("utf-8")) if record.exists() else {}
    return {int(step): value for step, value in known.items()}


def _preview(
    m: TrainingContext,
    conditions: pd.Series,  # type: ignore[type-arg]
    of: tuple[DenoisingTask, list[Prompt], dict[Prompt, Tensor]],
    name: str,
) -> Preview:
    """The first caption of each condition."""
    fit, said, embeds = of
    first = {condition: row for row, condition in reversed(list(enumerate(conditions)))}
    rows = [first[c] for c in sorted(first)]
    empty = embed_prompts(m.f, m.c, m.tokens, [""], default_store())[""]
    conditioning_latents = None if fit.conditioning_latents is None else fit.conditioning_latents[rows, -1]
    channels, height, width = fit.latents.mean.shape[1:]
    return Preview(
        m.f, m.c, [embeds[said[r]] for r in rows], empty, name, (channels, height, width), conditioning_latents
    )


def _fit(
    m: TrainingContext, rows: pd.DataFrame, params: AdapterParams
) -> tuple[DenoisingTask, list[Prompt], dict[Prompt, Tensor]]:
    """Latents, captions and embeddings of some rows, each computed once."""
    store, t = default_store(), params.training
    images = m.dataset.images(rows["image_id"])
    latents, _ = encode_images(m.f, m.c, images, store)
    fit = DenoisingTask(m.f, m.c, latents, t.batch_size, t.snr_gamma, lesion_weight=params.lesion_weight)
    if len(rows) and (params.task != "image" or params.lesion_weight != 1):
        fit = replace(fit, **_with_masks(m, params.task, images, rows, latents), mask_terms=_terms(params))
    said = [
        m.captions.prompt(image_id, m.tokens.name(condition), level)
        for image_id, condition, level in zip(rows["image_id"], rows["condition"], rows["level"], strict=True)
    ]
    return fit, said, embed_prompts(m.f, m.c, m.tokens, said, store)


def _terms(params: AdapterParams) -> MaskTerms | None:
    return params.mask_terms if params.task == "image_and_mask" else None


def _with_masks(
    m: TrainingContext, task: str, images: Images, rows: pd.DataFrame, latents: LatentSet
) -> dict[str, Any]:
    """What a fit on ``images`` has of their lesions' masks."""
    masks = m.dataset.masks_of(rows["image_id"])
    found: dict[str, Any] = {"masks": torch.from_numpy(masks.astype(np.float32))}
    if task == "inpainting":
        check_base(m.c)
        found["beside"] = training_conditions(m.f, m.c, images, masks, default_store())
    if task == "image_and_mask":
        grey, _ = encode_images(m.f, m.c, as_images(masks), default_store())
        pairs = [(latents.mean, grey.mean), (latents.std, grey.std)]
        found["latents"] = LatentSet(*(torch.cat(pair, dim=1) for pair in pairs))
    return found


def _attach(denoiser: Any, params: AdapterParams) -> list[Tensor]:
    """Make trainable what ``params`` says; those tensors."""
    wider = widen(denoiser) if params.task == "image_and_mask" else []
    if params.gradient_checkpointing:
        denoiser.enable_gradient_checkpointing()
    if params.method == "full":
        return adapters.unfreeze(denoiser)
    lora = adapters.Lora(params.rank, params.alpha, params.target_modules)
    trainable = adapters.attach(denoiser, lora, params.training.seed)
    for weight in wider:
        weight.data = weight.data.float()
        weight.requires_grad_()
    return [*trainable, *wider]


def _prior(m: TrainingContext, params: AdapterParams, like: LatentSet) -> Prior | None:
    """The base model's own images of the prior's prompt, as large as those to be learned."""
    p, size = params.prior, params.training.batch_size
    if p is None:
        return None
    embeds = embed_prompts(m.f, m.c, m.tokens, [p.prompt, ""], default_store())
    how, both = sampling(p.sampler, 1.0), (embeds[p.prompt].expand(size, -1, -1), embeds[""].expand(size, -1, -1))
    channels, height, width = like.mean.shape[1:]
    made = [
        sample(m.f, m.c, how, both, (channels, height, width), range(first, first + size))
        for first in range(0, p.images, size)
    ]
    latents, _ = encode_images(m.f, m.c, np.concatenate(made)[: p.images], default_store())
    return Prior(DenoisingTask(m.f, m.c, latents, size, params.training.snr_gamma), embeds[p.prompt], p.weight)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, "--dataset", "--split", "--captions", "--tokens", "--out")
    for name in ("--adapter", "--base", "--weights"):
        arguments.add_argument(name, required=True)
    args = arguments.parse_args()
    use_threads(read_params(Threads, "compute").threads)
    params = read_params(AdapterParams, f"adapters.{args.adapter}")
    wired: dict[str, tuple[str | None, Path]] = {
        "base": (params.base, args.base),
        "captioner": (params.captioner, args.captions),
    }
    wired["inversion"] = (on_split(params.inversion, args.split), args.tokens)
    check_wiring(f"adapters.{args.adapter}", wired)
    check_base_wiring(params.base, args.weights)
    base = read_base(params.base)
    if params.inversion:
        check_inversion(base.family, f"adapters.{args.adapter}")
    f = family(base)
    c = f.load(base)
    tokens = load_tokens(args.tokens)
    add_tokens(c, tokens)
    inputs = (args.dataset / "manifest.parquet", args.split, args.captions, args.tokens)
    key = run_key(code_version("pipeline_steps.finetune"), c.digest, params.model_dump_json(), *inputs)
    dataset, captions = open_dataset(args.dataset), read_captions(args.captions)
    material = TrainingContext(f, c, dataset, captions, tokens, key, base.location, base.revision, args.tokens)
    finetune(params, material, args.split, args.out)


if __name__ == "__main__":
    run(main)

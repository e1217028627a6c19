"""Fine-tune a base model on the captioned training images, by LoRA or in all its weights.

Reads: base model, data set, split, captions, tokens. Writes: ``models/adapters/<cell>``: weights that diffusers'
``load_lora_weights`` reads (one file, or a folder a condition where ``joint`` is false), or a whole denoiser, and the
training curve.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import add_tokens, embed_prompts, load_tokens
from pipeline_steps.diffusion.denoising import DenoisingTask, validation_loss
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.preview import Preview
from pipeline_steps.diffusion.settings import check_base_wiring, read_base, write_history
from pipeline_steps.diffusion.tasks import training_task
from pipeline_steps.diffusion.tasks.task import Examples, TrainingContext
from pipeline_steps.generation.adapter_card import AdapterUse, adapter_card
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import default_store
from pipeline_steps.parameters.adapters import PARAMS, AdapterParams
from pipeline_steps.parameters.inversions import check_inversion
from pipeline_steps.records.captioned import read_captions
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.slugs import slug
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params, read_tagged
from pipeline_steps.stage.run import parser, run, run_key
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.stage.wiring import check_wiring, on_split
from pipeline_steps.training.checkpoints import FOLDER, Checkpointing
from pipeline_steps.training.loop import Callback, optimise
from pipeline_steps.training.optimisation import optimisation
from pipeline_steps.training.validation import validation_rows


@dataclass(frozen=True)
class RunLabels:
    """The cell being trained, and the label of one of its adapters: a condition, or ``all``."""

    cell: str
    label: str


@dataclass
class Validation:
    """The validation loss by step; kept in checkpoints, so that a resumed training does not measure again."""

    examples: Examples
    seed: int
    losses: dict[int, float] = field(default_factory=dict)

    def measure(self, step: int) -> dict[str, float]:
        """Measure the loss after so many steps."""
        e = self.examples
        self.losses[step] = validation_loss(e.denoising, e.captions, e.embeds, self.seed)
        return {"validation_loss": self.losses[step]}

    def state_dict(self) -> dict[str, Any]:
        """What was measured."""
        return {"losses": self.losses}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what an interrupted training measured."""
        self.losses = state_dict["losses"]


def finetune(params: AdapterParams, m: TrainingContext, split: Path, out: Path) -> None:
    """Train one adapter on all conditions, or one on each."""
    train, validation = read_partition(split, "train"), read_partition(split, "validation")
    names = ["."] if params.joint else sorted(set(train["condition"]))
    checkpoints = []  # kept until all are whole: what is killed in its last condition repeats none of the others
    with atomic_folder(out) as folder:
        for name in names:
            rows = [t if name == "." else t[t["condition"] == name].reset_index(drop=True) for t in (train, validation)]
            label = "all" if name == "." else slug(name)
            place = folder if name == "." else folder / label
            checkpoints.append(_one_adapter(params, m, (rows[0], rows[1]), place, RunLabels(out.name, label)))
        settings = params.model_dump(exclude={"base"}) | ({"base_revision": m.commit} if m.commit else {})
        card = adapter_card(_use(params, m, train, out), m.c.digest, settings, train, split.stem)
        (folder / "README.md").write_text(str(card), "utf-8")
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)


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
) -> Path:
    """Train on the first of ``rows``, validate on the second, write to ``folder``; where its checkpoint lies."""
    t, task = params.training, training_task(params.task)
    held = rows[1].iloc[validation_rows(len(rows[1]))].reset_index(drop=True)  # before anything is encoded
    train, validation = (_examples(m, r, params) for r in (rows[0], held))
    adapters.detach(m.c.denoiser)
    loss = task.loss(m, params, train)
    trainable = _attach(m.c.denoiser, params, task.extend(train.denoising))
    validated = Validation(validation, t.seed)
    callbacks = [Callback(t.validate_every, validated.measure)] if len(rows[1]) else []
    if params.preview_every:
        preview = _preview(m, rows[0]["condition"], train, f"{names.cell}/{names.label}")
        callbacks.append(Callback(params.preview_every, preview.draw))
    save = Checkpointing(FOLDER / f"{m.key}-{names.label}.pt", t.checkpoint_every, (validated,))
    what = f"{params.method} {names.label}"
    losses = optimise(trainable, loss, optimisation(t), what, checkpointing=save, callbacks=callbacks)
    adapters.save(m.c.denoiser, folder)
    write_history(folder / "history.csv", losses, t.validate_every, validated.losses)
    return save.path


def _examples(m: TrainingContext, rows: pd.DataFrame, params: AdapterParams) -> Examples:
    """Latents, captions and embeddings of some rows, each computed once."""
    store, t = default_store(), params.training
    images = m.dataset.images(rows["image_id"])
    latents, _ = encode_images(m.f, m.c, images, store)
    denoising = DenoisingTask(m.f, m.c, latents, t.batch_size, t.snr_gamma, lesion_weight=params.lesion_weight)
    if len(rows):
        denoising = training_task(params.task).data(m, params, rows, images, denoising)
    captions = [
        m.captions.prompt(image_id, m.tokens.name(condition), level)
        for image_id, condition, level in zip(rows["image_id"], rows["condition"], rows["level"], strict=True)
    ]
    return Examples(denoising, captions, embed_prompts(m.f, m.c, m.tokens, captions, store))


def _preview(m: TrainingContext, conditions: pd.Series, examples: Examples, name: str) -> Preview:  # type: ignore[type-arg]
    """Samples of the first caption of each condition."""
    denoising = examples.denoising
    first = {condition: row for row, condition in reversed(list(enumerate(conditions)))}
    rows = [first[c] for c in sorted(first)]
    prompts = [examples.embeds[examples.captions[r]] for r in rows]
    empty = embed_prompts(m.f, m.c, m.tokens, [""], default_store())[""]
    beside = denoising.conditioning_latents
    seen = None if beside is None else beside[torch.tensor(rows)][:, -1]
    return Preview(m.f, m.c, prompts, empty, name, denoising.latents.shape, seen)


def _attach(denoiser: Any, params: AdapterParams, layers: list[Tensor]) -> list[Tensor]:
    """Make trainable what ``params`` says, and the weights of ``layers`` that the task changed; all of those."""
    if params.gradient_checkpointing:
        denoiser.enable_gradient_checkpointing()
    if params.method == "full":
        return adapters.unfreeze(denoiser)
    lora = adapters.Lora(params.rank, params.alpha, params.target_modules)
    trainable = adapters.attach(denoiser, lora, params.training.seed)
    for weight in layers:
        weight.data = weight.data.float()
        weight.requires_grad_()
    return [*trainable, *layers]


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, "--dataset", "--split", "--captions", "--tokens", "--out")
    for name in ("--adapter", "--base", "--weights"):
        arguments.add_argument(name, required=True)
    args = arguments.parse_args()
    use_threads(read_params(Threads, "compute").threads)
    params = read_tagged(PARAMS, f"adapters.{args.adapter}", "task")
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
    context = TrainingContext(f, c, dataset, captions, tokens, key, base.location, base.revision, args.tokens)
    finetune(params, context, args.split, args.out)


if __name__ == "__main__":
    run(main)

"""Fine-tune a base model on the captioned training images by LoRA.

Reads: base model, data set, split, captions, tokens. Writes: ``models/adapters/<cell>``: weights that diffusers'
``load_lora_weights`` reads (one file, or a folder a condition where ``joint`` is false), and the training curve.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import Tensor

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, embed_prompts, load_tokens
from pipeline_steps.diffusion.families import Components, Family, family
from pipeline_steps.diffusion.fit import Fit, adapter_loss, validation_loss
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.loop import Checkpointing, optimise
from pipeline_steps.diffusion.preview import Preview
from pipeline_steps.diffusion.settings import TrainingParams, read_base, write_history
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import default_store
from pipeline_steps.records.captioned import Captions, read_captions
from pipeline_steps.records.cards import adapter_card
from pipeline_steps.records.manifest import Dataset, open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.stage.outputs import whole_folder
from pipeline_steps.stage.params import Params, read_params
from pipeline_steps.stage.run import parser, run, run_key
from pipeline_steps.stage.threads import Threads, use_threads


class AdapterParams(Params):
    """One entry of ``adapters`` in params.yaml."""

    base: str
    captioner: str
    inversion: str | None
    joint: bool
    rank: int
    alpha: int
    target_modules: tuple[str, ...]
    preview_every: int
    training: TrainingParams


@dataclass(frozen=True)
class Material:
    """What every adapter of one run trains on; ``key`` names its checkpoints, ``location`` the base model."""

    f: Family
    c: Components
    dataset: Dataset
    captions: Captions
    tokens: Tokens
    key: str
    location: str


@dataclass(frozen=True)
class Names:
    """The cell being trained, and the label of one of its adapters: a condition, or ``all``."""

    cell: str
    label: str


def finetune(params: AdapterParams, m: Material, split: Path, out: Path) -> None:
    """Train one adapter on all conditions, or one on each."""
    train, validation = read_partition(split, "train"), read_partition(split, "validation")
    names = ["."] if params.joint else sorted(set(train["condition"]))
    with whole_folder(out) as folder:
        for name in names:
            mine = [t if name == "." else t[t["condition"] == name].reset_index(drop=True) for t in (train, validation)]
            label = "all" if name == "." else name.replace(" ", "_")
            place = folder if name == "." else folder / label
            _one_adapter(params, m, (mine[0], mine[1]), place, Names(out.name, label))
        settings = params.model_dump(exclude={"base"})
        text = adapter_card(m.location, m.c.digest, settings, train, split.stem)
        (folder / "README.md").write_text(text, "utf-8")


def _one_adapter(
    params: AdapterParams, m: Material, rows: tuple[pd.DataFrame, pd.DataFrame], folder: Path, names: Names
) -> None:
    t = params.training
    fits = [_fit(m, r, t) for r in rows]
    adapters.detach(m.c.denoiser)
    lora = adapters.Lora(params.rank, params.alpha, params.target_modules)
    trainable = adapters.attach(m.c.denoiser, lora, t.seed)
    validated: dict[int, float] = {}
    preview = _preview(m, rows[0]["condition"], fits[0], f"{names.cell}/{names.label}")

    def after_step(step: int) -> None:
        if (step + 1) % t.validate_every == 0 and len(rows[1]):
            validated[step + 1] = validation_loss(*fits[1], seed=t.seed)
        if params.preview_every and (step + 1) % params.preview_every == 0:
            preview.draw(step + 1)

    save = Checkpointing(Path("runs/checkpoints") / f"{m.key}-{names.label}.pt", t.checkpoint_every)
    losses = optimise(trainable, adapter_loss(*fits[0]), t.optimisation(), f"LoRA {names.label}", save, after_step)
    adapters.save(m.c.denoiser, folder)
    write_history(folder / "history.csv", losses, validated)
    save.path.unlink(missing_ok=True)


def _preview(
    m: Material,
    conditions: pd.Series,
    fit: tuple[Fit, list[str], dict[str, Tensor]],
    name: str,  # type: ignore[type-arg]
) -> Preview:
    """The first caption of each condition."""
    _, said, embeds = fit
    first = {condition: embeds[caption] for caption, condition in zip(said[::-1], conditions[::-1], strict=True)}
    empty = embed_prompts(m.f, m.c, m.tokens, [""], default_store())[""]
    return Preview(m.f, m.c, [first[c] for c in sorted(first)], empty, name)


def _fit(m: Material, rows: pd.DataFrame, t: TrainingParams) -> tuple[Fit, list[str], dict[str, Tensor]]:
    """Latents, captions and embeddings of some rows, each computed once."""
    store = default_store()
    latents, _ = encode_images(m.f, m.c, m.dataset.images(rows["image_id"]), store)
    said = [
        m.captions.prompt(image_id, m.tokens.name(condition), int(skin_type))
        for image_id, condition, skin_type in zip(
            rows["image_id"], rows["condition"], rows["fitzpatrick_scale"], strict=True
        )
    ]
    return Fit(m.f, m.c, latents, t.batch_size, t.snr_gamma), said, embed_prompts(m.f, m.c, m.tokens, said, store)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, "--dataset", "--split", "--captions", "--tokens", "--out")
    arguments.add_argument("--adapter", required=True)
    args = arguments.parse_args()
    use_threads(read_params(Threads, "compute").threads)
    params = read_params(AdapterParams, f"adapters.{args.adapter}")
    base = read_base(params.base)
    f = family(base)
    c = f.load(base)
    tokens = load_tokens(args.tokens)
    add_tokens(c, tokens)
    inputs = (args.dataset / "manifest.parquet", args.split, args.captions, args.tokens)
    key = run_key(code_version("pipeline_steps.finetune"), c.digest, params.model_dump_json(), *inputs)
    material = Material(f, c, open_dataset(args.dataset), read_captions(args.captions), tokens, key, base.location)
    finetune(params, material, args.split, args.out)


if __name__ == "__main__":
    run(main)

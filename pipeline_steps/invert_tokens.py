"""Textual inversion: learn a token for each condition from the training images (Gal et al. 2022).

Reads: base model, data set, split. Writes: ``models/tokens/<cell>``: one safetensors file a condition, as diffusers'
``load_textual_inversion`` reads it, and the training curve. All conditions are learned in one run, each from its
own images: vectors of different conditions share no gradient.
"""

from pathlib import Path

import pandas as pd

from pipeline_steps.diffusion.conditioning import Tokens, save_tokens
from pipeline_steps.diffusion.denoising import DenoisingTask
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.inversion import Inversion, inversion_loss, start_tokens
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.settings import check_base_wiring, read_base, write_history
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import default_store
from pipeline_steps.parameters.inversions import InversionParams, check_inversion
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.populations import MAJORITY
from pipeline_steps.records.skin_types import GROUPS, types_of
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run, run_key
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.stage.wiring import check_wiring
from pipeline_steps.training.checkpoints import FOLDER, Checkpointing
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import optimisation


def invert(params: InversionParams, dataset: Path, split: Path, out: Path) -> None:
    """Learn the tokens of all conditions in the training partition and write them to ``out``."""
    base = read_base(params.base)
    check_inversion(base.family, f"inversion {out.name}")
    train = read_partition(split, "train")
    check_templates(params, train, out.name)
    f = family(base)
    c = f.load(base)
    latents, cached = encode_images(f, c, open_dataset(dataset).images(train["image_id"]), default_store())
    print(f"latents: {cached.computed} computed, {cached.reused} reused")
    conditions = tuple(sorted(set(train["condition"])))
    how = Inversion(conditions, params.vectors, params.initializer_token, params.templates)
    tokens = start_tokens(c, how)
    task = DenoisingTask(f, c, latents, params.training.batch_size, params.training.snr_gamma)
    learned, loss = inversion_loss(task, tokens, list(train["condition"]), how)
    inputs = (c.digest, params.model_dump_json(), dataset / "manifest.parquet", split)
    key = run_key(code_version("pipeline_steps.invert_tokens"), *inputs)
    save = Checkpointing(FOLDER / f"{key}.pt", params.training.checkpoint_every)
    losses = optimise(learned, loss, optimisation(params.training), "textual inversion", checkpointing=save)
    with atomic_folder(out) as folder:
        vectors = zip(tokens.vectors.items(), learned, strict=True)
        save_tokens(Tokens({name: (placeholder, v) for (name, (placeholder, _)), v in vectors}), folder)
        write_history(folder / "history.csv", losses, params.training.validate_every, {})
    save.path.unlink(missing_ok=True)


def check_templates(params: InversionParams, train: pd.DataFrame, name: str) -> None:
    """Whether the templates of inversion ``name`` speak of people that the majority of ``train`` has.

    Else the tokens would learn what the words get wrong: dark skin, from captions that call it light.

    Raises:
        DataError: they speak of none of its levels.
    """
    levels = set(train.loc[train["population"] == MAJORITY, "level"]) or set(train["level"])
    shown = levels | {t for group in levels & {*GROUPS} for t in map(str, types_of(group))}
    if params.levels and not shown & set(params.levels):
        raise DataError(
            f"inversion {name}: its templates speak of level {', '.join(params.levels)}, and the majority's "
            f"training images are of {', '.join(sorted(levels))}; write templates for these (or of none), and set "
            "levels"
        )


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, "--dataset", "--split", "--out")
    for name in ("--inversion", "--base", "--weights"):
        arguments.add_argument(name, required=True)
    args = arguments.parse_args()
    use_threads(read_params(Threads, "compute").threads)
    params = read_params(InversionParams, f"inversions.{args.inversion}")
    check_wiring(f"inversions.{args.inversion}", {"base": (params.base, args.base)})
    check_base_wiring(params.base, args.weights)
    invert(params, args.dataset, args.split, args.out)


if __name__ == "__main__":
    run(main)

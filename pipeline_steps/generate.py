"""Generate images of the conditions on people of the wanted levels: skin types, or whatever divides the population.

Reads: data set, split, and what the augmenter's mode needs: base model, captions, tokens, adapter. Writes:
``data/synthetic/<cell>``: PNG files and ``metadata.csv`` in the layout of ``datasets.load_dataset("imagefolder")``.
Each file carries its provenance.
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pipeline_steps.diffusion.settings import check_base_wiring
from pipeline_steps.generation.cards import images_card
from pipeline_steps.generation.jobs import GeneratedImages, Inputs, Job, aimed, plan_jobs
from pipeline_steps.generation.modes.table import MODES, PARAMS
from pipeline_steps.generation.synthetic import (
    MASK_COLUMN,
    MASK_PIXELS,
    PIXELS,
    STARTS_FROM_SOURCE,
    mask_of,
    pixels_of,
)
from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.parameters.population import Column, Group
from pipeline_steps.pixels.images import digest, with_text
from pipeline_steps.records.licences import licences_of, strictest
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.populations import levels_name, targets
from pipeline_steps.stage import pictures
from pipeline_steps.stage.named import named_function
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params, read_tagged
from pipeline_steps.stage.progress import Track
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.stage.wiring import check_wiring, on_split


def generate(params: JobParams, inputs: Inputs, out: Path) -> GeneratedImages:
    """Make all images of a cell and write the folder; ``params`` as ``aimed`` gives them."""
    train = read_partition(inputs.split, "train")
    jobs = plan_jobs(train, params)
    mode = MODES[params.mode]
    made: GeneratedImages = named_function(mode.make)(params, inputs, jobs, train)
    with atomic_folder(out) as folder:
        digests = [_write(folder, jobs[i], made, i) for i in Track(range(len(jobs)), "images", len(jobs))]
        table = pd.DataFrame([j.shown() for j in jobs]).assign(is_synthetic=True)
        table.insert(len(table.columns) - 2, "prompt", list(made.prompts))
        table[STARTS_FROM_SOURCE] = mode.starts_from_source
        table = table.assign(**_terms(params, inputs, jobs, train), **{PIXELS: digests})
        if made.masks:
            table[MASK_COLUMN], table[MASK_PIXELS] = _write_masks(folder, jobs, made.masks)
        table.to_csv(folder / "metadata.csv", index=False)
        card = images_card(made.maker, params.model_dump(exclude={"base"}), table)
        (folder / "README.md").write_text(str(card), "utf-8")
        _show(folder, jobs, out.name)
    return made


def _write(folder: Path, job: Job, made: GeneratedImages, position: int) -> str:
    """Write one image with its provenance; the digest of its pixels."""
    path, file = folder / job.file_name, made.files[position]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(with_text(file, {**_text(job, made.prompts[position]), **made.origin[position]}))
    return digest(pixels_of(file))


def _terms(params: JobParams, inputs: Inputs, jobs: Sequence[Job], train: pd.DataFrame) -> dict[str, list[str]]:
    """Each image's licence, its source's, and whether it may be passed on.

    What was learned was learned from all training images: then the strictest right of all of them holds.
    """
    manifest = pd.read_parquet(inputs.dataset / "manifest.parquet")
    terms = licences_of(manifest, [job.source_id for job in jobs])
    if getattr(params, "adapter", None) or getattr(params, "inversion", None):
        learned_from = set(licences_of(manifest, train["image_id"])["redistribute"])  # few, whatever they are of
        terms["redistribute"] = [strictest([own, *learned_from]) for own in terms["redistribute"]]
    return terms


def _write_masks(folder: Path, jobs: Sequence[Job], masks: Sequence[bytes]) -> tuple[list[str], list[str]]:
    """The lesions' masks beside their images; their names, and the digests of their pixels."""
    names, digests = [f"{j.file_name.removesuffix('.png')}-mask.png" for j in jobs], []
    for name, file in zip(names, masks, strict=True):
        (folder / name).write_bytes(file)
        digests.append(digest(mask_of(file)))
    return names, digests


def _show(folder: Path, jobs: Sequence[Job], cell: str, most: int = 8) -> None:
    """A picture of the first images of each condition: rows are conditions."""
    rows = []
    for condition in sorted({j.condition for j in jobs}):
        names = [j.file_name for j in jobs if j.condition == condition][:most]
        rows.append([np.asarray(Image.open(folder / name)) for name in names])
    pictures.show(rows, f"{cell}/first")


def _text(job: Job, prompt: str) -> dict[str, str]:
    return {"is_synthetic": "true", "source_id": job.public_id, "prompt": prompt, "seed": str(job.seed)}


def _check_wiring(entry: str, params: JobParams, inputs: Inputs, args: Namespace) -> None:
    """Whether the cell has what the augmenter names; some modes name less."""
    base, captioner, inversion, adapter = (
        getattr(params, n, None) for n in ("base", "captioner", "inversion", "adapter")
    )
    tokens, weights = on_split(inversion, inputs.split), on_split(adapter, inputs.split)
    wired = {"inversion": (tokens, inputs.tokens), "adapter": (weights, inputs.adapter)}
    check_wiring(entry, {"base": (base, args.base), "captioner": (captioner, inputs.captions), **wired})
    if base is not None:
        check_base_wiring(base, args.weights)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, "--dataset", "--split", "--captions", "--tokens", "--adapter", "--out")
    for name in ("--augmenter", "--base", "--weights"):
        arguments.add_argument(name, required=True)
    args = arguments.parse_args()
    use_threads(read_params(Threads, "compute").threads)
    inputs = Inputs(args.dataset, args.split, args.captions, args.tokens, args.adapter)
    minority = read_params(Group, "population.minority").value
    named = read_tagged(PARAMS, f"augmenters.{args.augmenter}", "mode")
    _check_wiring(f"augmenters.{args.augmenter}", named, inputs, args)
    params = aimed(named, minority)
    if beyond := set(targets(named.target_levels, minority)) - set(minority):
        column = read_params(Column, "population.column").value
        asked, whom = levels_name(column, beyond), levels_name(column, minority)
        print(f"augmenters.{args.augmenter} asks for {asked}, the minority is {whom}")
    made = generate(params, inputs, args.out)
    print(f"images: {made.computed} computed, {made.reused} reused")


if __name__ == "__main__":
    run(main)

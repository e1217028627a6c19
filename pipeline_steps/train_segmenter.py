"""Train a segmenter on one mixture of real and synthetic images with lesion masks, at equal updates.

Reads: data set, split (training and validation), generated and screened images of the arm's augmenter. Writes:
``models/segmenter/<cell>`` (safetensors, config, training curve). The test split is not opened. Real images without a
mask are left out, and counted in the config.
"""

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save_file

from pipeline_steps.generation.synthetic import images_of, masks_of, read_accepted
from pipeline_steps.items.closure import code_version
from pipeline_steps.parameters.arms import ArmParams
from pipeline_steps.parameters.segmenter import SegmenterParams
from pipeline_steps.records.manifest import Dataset, open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run, run_key
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.stage.wiring import check_images
from pipeline_steps.training.checkpoints import FOLDER
from pipeline_steps.training.precision import recorded
from pipeline_steps.training.supervised import Fitted
from pipeline_steps.vision.arms import cell_seed, mixture
from pipeline_steps.vision.segmentation import encoder_normalisation, fit_segmenter, new_segmenter
from pipeline_steps.vision.views import Labelled


def real_pairs(dataset: Dataset, rows: pd.DataFrame, what: str) -> Labelled:
    """Those images of ``rows`` that have a mask, with it.

    Raises:
        DataError: none has.
    """
    known = dataset.with_mask(rows["image_id"])
    if not known.any():
        raise DataError(
            f"no {what} image has a lesion mask; add masks to the data set, or set the grid's segmenters to []"
        )
    ids = list(rows["image_id"][known])
    return Labelled(dataset.images(ids), dataset.masks_of(ids))


def _without_mask(dataset: Dataset, rows: pd.DataFrame) -> dict[str, int]:
    """Images that have no mask, by level."""
    missing = rows["level"][~dataset.with_mask(rows["image_id"])]
    return {str(t): int(n) for t, n in missing.value_counts().sort_index().items()}


def synthetic_pairs(synthetic: Path, screened: Path, copies: int) -> Labelled:
    """Accepted images of an augmenter, with their masks.

    Raises:
        DataError: the augmenter makes none.
    """
    table = read_accepted(synthetic, screened, copies)
    masks = masks_of(synthetic, table)
    if masks is None:
        raise DataError(f"{synthetic} holds no masks; train segmenters on skindualgen, sagers_inpaint or tone_transfer")
    return Labelled(images_of(synthetic, table), masks)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, "--dataset", "--split", "--synthetic", "--screened", "--out")
    arguments.add_argument("--arm", required=True)
    args = arguments.parse_args()
    use_threads(read_params(Threads, "compute").threads)
    params = read_params(SegmenterParams, "segmenter")
    arm = read_params(ArmParams, f"arms.{args.arm}")
    check_images(f"arms.{args.arm}", arm.images, args.synthetic)
    dataset = open_dataset(args.dataset)
    rows = {name: read_partition(args.split, name) for name in ("train", "validation")}
    real, validation = (real_pairs(dataset, table, name) for name, table in rows.items())
    made = None if arm.images == "real" else synthetic_pairs(args.synthetic, args.screened, arm.copies)
    train = mixture(arm.images, real, made)
    how = params.model_copy(update={"seed": cell_seed(params.seed, arm, args.split.stem, "segmenter")})
    network = new_segmenter(params.encoder, params.depth, pretrained=params.pretrained, seed=how.seed)
    norm = encoder_normalisation(params.encoder, pretrained=params.pretrained)
    what, checkpoint = f"segmenter {args.arm}", _checkpoint(args, how, arm)
    fitted = fit_segmenter(network, train, validation, how, what, norm=norm, checkpoint=checkpoint)
    config = {"task": "segmentation", "encoder": params.encoder, "depth": params.depth}
    config |= {"input_size": params.input_size, **asdict(norm), **recorded(params.precision)}
    config |= {"chosen_update": fitted.update}
    config |= {"training_images": len(train.images), "real_images_without_mask": _without_mask(dataset, rows["train"])}
    with atomic_folder(args.out) as folder:
        _write(folder, fitted, config)
    checkpoint.unlink(missing_ok=True)


def _checkpoint(args: Namespace, how: SegmenterParams, arm: ArmParams) -> Path:
    """Where an interrupted training of these parameters on these inputs goes on from."""
    inputs = (args.dataset / "manifest.parquet", args.split, args.synthetic, args.screened)
    code = code_version("pipeline_steps.train_segmenter")
    return FOLDER / f"{run_key(code, how.model_dump_json(), arm.model_dump_json(), *inputs)}.pt"


def _write(folder: Path, fitted: Fitted, config: dict[str, Any]) -> None:
    save_file(fitted.state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    history = pd.DataFrame(fitted.history, columns=["update", "loss", "validation_dice"]).round(6)
    history.to_csv(folder / "history.csv", index=False)


if __name__ == "__main__":
    run(main)

"""Train a classifier on one mixture of real and synthetic images, at the same number of updates as every other.

Reads: data set, split (training and validation), generated and screened images of the arm's augmenter. Writes:
``models/classifier/<cell>`` (safetensors, config, training curve). The test split is not opened.
"""

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import save_file

from pipeline_steps.generation.synthetic import images_of, read_accepted
from pipeline_steps.items.closure import code_version
from pipeline_steps.parameters.arms import ArmParams
from pipeline_steps.parameters.classifier import ClassifierParams
from pipeline_steps.records.image_files import ImageRows
from pipeline_steps.records.manifest import Dataset, open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.stage.outputs import atomic_folder
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run, run_key
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.stage.wiring import check_images
from pipeline_steps.training.checkpoints import FOLDER
from pipeline_steps.training.precision import recorded
from pipeline_steps.training.supervised import Fitted
from pipeline_steps.vision.arms import cell_seed, mixture
from pipeline_steps.vision.classification import fit_classifier
from pipeline_steps.vision.networks import network_normalisation, new_network, pretrained_commit
from pipeline_steps.vision.views import Labelled


def _labelled(rows: pd.DataFrame, images: ImageRows, classes: list[str]) -> Labelled:
    return Labelled(images, np.array([classes.index(c) for c in rows["condition"]], np.int64))


def load_arm(
    arm: ArmParams, dataset: Dataset, split: Path, synthetic: Path, screened: Path
) -> tuple[Labelled, Labelled, list[str]]:
    """Training set, validation set and class names of an arm."""
    train, validation = read_partition(split, "train"), read_partition(split, "validation")
    classes = sorted(set(train["condition"]))
    real = _labelled(train, dataset.images(train["image_id"]), classes)
    held = _labelled(validation, dataset.images(validation["image_id"]), classes)
    if arm.images == "real":
        return mixture(arm.images, real, None), held, classes
    made = read_accepted(synthetic, screened, arm.copies)
    return mixture(arm.images, real, _labelled(made, images_of(synthetic, made), classes)), held, classes


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, "--dataset", "--split", "--synthetic", "--screened", "--out")
    arguments.add_argument("--arm", required=True)
    arguments.add_argument("--architecture", required=True)
    args = arguments.parse_args()
    use_threads(read_params(Threads, "compute").threads)
    params = read_params(ClassifierParams, "classifier")
    arm = read_params(ArmParams, f"arms.{args.arm}")
    check_images(f"arms.{args.arm}", arm.images, args.synthetic)
    train, validation, classes = load_arm(arm, open_dataset(args.dataset), args.split, args.synthetic, args.screened)
    how = params.model_copy(update={"seed": cell_seed(params.seed, arm, args.split.stem, args.architecture)})
    size = params.input_size
    network = new_network(args.architecture, len(classes), size, pretrained=params.pretrained, seed=how.seed)
    norm = network_normalisation(network)
    started = pretrained_commit(args.architecture) if params.pretrained else {}
    checkpoint = _checkpoint(args, how, arm, started)
    what = f"{args.architecture} {args.arm}"
    fitted = fit_classifier(network, train, validation, how, what, norm=norm, classic=arm, checkpoint=checkpoint)
    config = {"task": "classification", "architecture": args.architecture, "classes": classes, "input_size": size}
    config |= {**asdict(norm), **recorded(params.precision), "chosen_update": fitted.update}
    if started:
        config |= {"base_model": started["id"], "base_revision": started["commit"]}
    with atomic_folder(args.out) as folder:
        _write(folder, fitted, {**config, "training_images": len(train.images)})
    checkpoint.unlink(missing_ok=True)


def _checkpoint(args: Namespace, how: ClassifierParams, arm: ArmParams, started: dict[str, str]) -> Path:
    """Where an interrupted training of these parameters on these inputs goes on from."""
    numbers = (how.model_dump_json(), arm.model_dump_json(), args.architecture, json.dumps(started))
    inputs = (args.dataset / "manifest.parquet", args.split, args.synthetic, args.screened)
    return FOLDER / f"{run_key(code_version('pipeline_steps.train_classifier'), *numbers, *inputs)}.pt"


def _write(folder: Path, fitted: Fitted, config: dict[str, Any]) -> None:
    save_file(fitted.state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    history = pd.DataFrame(fitted.history, columns=["update", "loss", "validation_accuracy"]).round(6)
    history.to_csv(folder / "history.csv", index=False)


if __name__ == "__main__":
    run(main)

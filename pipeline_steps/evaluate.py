"""Open the test split, and measure a classifier or a segmenter per level. No other stage opens it.

Reads: data set, split, a trained network. Writes: ``data/predictions/<cell>.parquet`` and
``metrics/classification/<cell>.json``, or of a segmenter ``data/overlaps/<cell>.parquet`` and
``metrics/segmentation/<cell>.json``. Intervals resample whole groups (near-duplicates, patients, lesions) of test
images: they say nothing about another draw or training seed.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import load_file

from pipeline_steps.measures.classifiers.between import compared_accuracy, compared_classes, worst_level
from pipeline_steps.measures.classifiers.overall import OfClassifier
from pipeline_steps.measures.classifiers.predictions import Predictions
from pipeline_steps.measures.classifiers.table import CLASSIFIERS
from pipeline_steps.measures.segmenters.table import SEGMENTERS
from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.records.manifest import Dataset, open_dataset
from pipeline_steps.records.partitions import TEST_PARTITIONS, read_tests
from pipeline_steps.stage.device import best_device
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.statistics.cluster_intervals import cluster_interval
from pipeline_steps.training.precision import computing_in, recorded_precision
from pipeline_steps.vision.classification import predict
from pipeline_steps.vision.networks import new_network
from pipeline_steps.vision.views import recorded_normalisation

_PROBABILITY = "p:"


def predictions(dataset: Dataset, tests: pd.DataFrame, model: Path, config: dict[str, Any]) -> pd.DataFrame:
    """Test rows with the predicted class and a probability column ``p:<class>`` for each class."""
    classes, size = config["classes"], config["input_size"]
    network = new_network(config["architecture"], len(classes), size, pretrained=False, seed=0)
    network.load_state_dict(load_file(model / "model.safetensors"))
    computing_in(network.to(best_device()), recorded_precision(config))
    probabilities = predict(network, dataset.images(tests["image_id"]), size, recorded_normalisation(config))
    columns = pd.DataFrame(probabilities, columns=[_PROBABILITY + c for c in classes])
    predicted = [classes[k] for k in probabilities.argmax(1)]
    return pd.concat([tests.assign(predicted=predicted), columns], axis=1)


def score(table: pd.DataFrame, params: EvaluationParams) -> dict[str, Any]:
    """All measures of one test partition, with cluster-bootstrap intervals of those that have one.

    ``by_level``: what is measured of each level, and what compares levels. Levels with fewer than
    ``minimum_level_images`` images have an accuracy and an ``n``, but are not ``compared``.
    """
    columns = [c for c in table.columns if c.startswith(_PROBABILITY)]
    probabilities = table[columns].rename(columns=lambda c: c.removeprefix(_PROBABILITY))
    levels, minimum = table["level"], params.minimum_level_images
    p = Predictions(table["condition"], table["predicted"], probabilities, levels, table["group"], minimum)
    n = levels.value_counts().sort_index()
    parts = {str(t): p.of_level(t) for t in n.index}
    overall = [m for m in CLASSIFIERS if not m.between_levels]
    of_each = [m for m in overall if m.each_level]
    return {
        "n": len(table),
        **{m.name: m.of(p) for m in overall},
        **_intervals(overall, p, params),
        "by_level": {
            **{m.name: {t: m.of(part) for t, part in parts.items()} for m in of_each},
            "n": {str(t): int(k) for t, k in n.items()},
            "compared": [str(t) for t in compared_accuracy(p).index],
            "worst_level": worst_level(p),
            **{m.name: m.of(p) for m in CLASSIFIERS if m.between_levels},
            "classes_compared": [str(c) for c in compared_classes(p)],
            **_intervals_by_type(of_each, parts, params),
        },
    }


def _intervals(measures: Iterable[OfClassifier], p: Predictions, params: EvaluationParams) -> dict[str, Any]:
    how = params.bootstrap_draws, params.seed
    return {f"{m.name}_interval": m.interval(p, *how) for m in measures if m.interval is not None}


def _intervals_by_type(
    measures: Iterable[OfClassifier], parts: Mapping[str, Predictions], params: EvaluationParams
) -> dict[str, Any]:
    found = {t: _intervals(measures, part, params) for t, part in parts.items()}
    names = [f"{m.name}_interval" for m in measures if m.interval is not None]
    return {name: {t: of_type[name] for t, of_type in found.items()} for name in names}


def overlaps(dataset: Dataset, tests: pd.DataFrame, model: Path, config: dict[str, Any]) -> pd.DataFrame:
    """Test rows with all measures of the predicted lesion mask: NaN where no real one marks anything.

    ``mask``: ``marked``, ``empty`` (there is one, and nothing is marked in it) or ``none``. An empty one says nothing
    of overlap: whatever is predicted would score 0, or, if that is nothing, be undefined.
    """
    from pipeline_steps.vision.segmentation import load_segmenter, segment

    known = dataset.with_mask(tests["image_id"])
    marked, masks = known.copy(), dataset.masks_of(tests["image_id"][known])
    marked[known] = [masks[i].any() for i in range(len(masks))]
    kind = np.where(marked, "marked", np.where(known, "empty", "none"))
    out = tests.assign(mask=kind, **{m.name: np.nan for m in SEGMENTERS})
    if marked.any():
        ids, norm = tests["image_id"][marked], recorded_normalisation(config)
        truth, at = dataset.masks_of(ids), np.flatnonzero(marked)
        for rows, found in segment(load_segmenter(model), dataset.images(ids), config["input_size"], norm):
            for m in SEGMENTERS:
                out.loc[out.index[at[rows]], m.name] = m.of(found, truth[rows])
    return out


def score_overlaps(table: pd.DataFrame, params: EvaluationParams) -> dict[str, Any]:
    """The mean of each measure over one test partition, over all and per level, with cluster-bootstrap intervals.

    ``n`` images have a mask that marks something, ``without_mask`` images have none, ``empty_mask`` images one in which
    nothing is marked; ``few``: fewer than a skin type must have for its number to mean anything.
    """
    known = table[table["mask"] == "marked"]
    few = known["level"].value_counts() < params.minimum_level_images
    by_level = {str(t): {**_overlap(r, params), "few": bool(few[t])} for t, r in known.groupby("level")}
    return {
        **_overlap(known, params),
        **_left_out(table, "none", "without_mask"),
        **_left_out(table, "empty", "empty_mask"),
        "by_level": by_level,
    }


def _left_out(table: pd.DataFrame, kind: str, name: str) -> dict[str, Any]:
    """How many images have such a mask, over all and by level."""
    types = table["level"][table["mask"] == kind].value_counts().sort_index()
    return {name: int(types.sum()), f"{name}_by_type": {str(t): int(n) for t, n in types.items()}}


def _overlap(table: pd.DataFrame, params: EvaluationParams) -> dict[str, Any]:
    measured: dict[str, Any] = {"n": len(table)}
    for m in SEGMENTERS:
        values = table[m.name].to_numpy()
        measured[m.name] = float(values.mean())
        low, high = cluster_interval(
            lambda rows, values=values: float(values[rows].mean()),  # type: ignore[misc]
            list(table["group"]),
            params.bootstrap_draws,
            params.seed,
        )
        measured[f"{m.name}_interval"] = [low, high]
    return measured


TASKS = {"classification": (predictions, score), "segmentation": (overlaps, score_overlaps)}


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--dataset", "--split", "--model", "--out", "--metrics").parse_args()
    use_threads(read_params(Threads, "scoring").threads)
    params = read_params(EvaluationParams, "evaluation")
    config = json.loads((args.model / "config.json").read_text())
    measure, summarise = TASKS[config["task"]]
    table = measure(open_dataset(args.dataset), read_tests(args.split), args.model, config)
    with atomic_file(args.out) as temporary:
        table.to_parquet(temporary, index=False)
    measured = table if "mask" not in table else table[table["mask"] == "marked"]
    partitions = [p for p in TEST_PARTITIONS if (measured["partition"] == p).any()]
    write_metrics(
        args.metrics, {p: summarise(table[table["partition"] == p].reset_index(drop=True), params) for p in partitions}
    )


if __name__ == "__main__":
    run(main)

"""Open the test split, and measure a classifier per skin type. No other stage opens it.

Reads: data set, split, a trained classifier. Writes: ``data/predictions/<cell>.parquet`` and
``metrics/classification/<cell>.json``. Intervals resample whole groups (near-duplicates, patients, lesions).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from pipeline_steps.records.manifest import Dataset, open_dataset
from pipeline_steps.records.partitions import TEST_PARTITIONS, read_tests
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import whole_file
from pipeline_steps.stage.params import Params, read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.vision.loop import predict
from pipeline_steps.vision.networks import new_network
from pipeline_steps.vision.scores import classification_scores, cluster_interval, scores_by_type

_PROBABILITY = "p:"


class EvaluationParams(Params):
    """``evaluation`` in params.yaml."""

    bootstrap_draws: int
    seed: int


def predictions(dataset: Dataset, tests: pd.DataFrame, model: Path) -> pd.DataFrame:
    """Test rows with the predicted class and a probability column ``p:<class>`` for each class."""
    config = json.loads((model / "config.json").read_text())
    classes, size = config["classes"], config["input_size"]
    network = new_network(config["architecture"], len(classes), size, pretrained=False, seed=0)
    network.load_state_dict(load_file(model / "model.safetensors"))
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    probabilities = predict(network, dataset.images(tests["image_id"]), size)
    columns = pd.DataFrame(probabilities, columns=[_PROBABILITY + c for c in classes])
    predicted = [classes[k] for k in probabilities.argmax(1)]
    return pd.concat([tests.assign(predicted=predicted), columns], axis=1)


def score(table: pd.DataFrame, params: EvaluationParams) -> dict[str, Any]:
    """Scores of one test partition, over all and per skin type, with cluster-bootstrap intervals of accuracy."""
    columns = [c for c in table.columns if c.startswith(_PROBABILITY)]
    probabilities = table[columns].rename(columns=lambda c: c.removeprefix(_PROBABILITY))
    correct = (table["predicted"] == table["condition"]).to_numpy()
    by_type = scores_by_type(table["condition"], table["predicted"], table["fitzpatrick_scale"])
    intervals = {
        str(t): _accuracy_interval(correct[rows], table["group"][rows], params)
        for t in sorted(set(table["fitzpatrick_scale"]))
        if (rows := (table["fitzpatrick_scale"] == t).to_numpy()).any()
    }
    return {
        **classification_scores(table["condition"], probabilities),
        "accuracy_interval": _accuracy_interval(correct, table["group"], params),
        "by_type": {**by_type, "accuracy_interval": intervals},
    }


def _accuracy_interval(correct: np.ndarray, groups: pd.Series, params: EvaluationParams) -> list[float]:  # type: ignore[type-arg]
    low, high = cluster_interval(
        lambda rows: float(correct[rows].mean()), list(groups), params.bootstrap_draws, params.seed
    )
    return [low, high]


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--dataset", "--split", "--model", "--out", "--metrics").parse_args()
    use_threads(read_params(Threads, "scoring").threads)
    params = read_params(EvaluationParams, "evaluation")
    table = predictions(open_dataset(args.dataset), read_tests(args.split), args.model)
    with whole_file(args.out) as temporary:
        table.to_parquet(temporary, index=False)
    partitions = [p for p in TEST_PARTITIONS if (table["partition"] == p).any()]
    write_metrics(
        args.metrics, {p: score(table[table["partition"] == p].reset_index(drop=True), params) for p in partitions}
    )


if __name__ == "__main__":
    run(main)

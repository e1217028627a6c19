"""How near generated images are to real ones of the same skin: FID, KID, precision, recall, concepts; with intervals.

Reads: data set, split, generated and screened images. Writes: ``metrics/fid/<cell>.json``.
The real side is the reference partition: images that trained nothing and test nothing. Where a split leaves none of
a group, the metric says so. The light training images stand beside as the baseline that generation must beat. Concept
accuracy is how often most of the nearest reference images have the condition that a generated image was made for.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.features.distances import bootstrap_interval, frechet_distance, kernel_distance, precision_recall
from pipeline_steps.features.extractors import cached_features
from pipeline_steps.features.neighbours import majority_label, normalised
from pipeline_steps.features.settings import read_extractor
from pipeline_steps.items.store import default_store
from pipeline_steps.records.groups import cluster_interval
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.synthetic import read_accepted
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.params import Params, read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads

_NEIGHBOURS = 5  # that judge an image's condition
Features = npt.NDArray[np.float32]


class FidParams(Params):
    """``fid`` in params.yaml."""

    bootstrap_draws: int
    concept_draws: int
    minimum_images: int
    seed: int


def compare(real: Features, made: Features, params: FidParams) -> dict[str, Any]:
    """All distances between two sets, or why there are none."""
    counts = {"real": len(real), "generated": len(made)}
    if min(len(real), len(made)) < params.minimum_images:
        return {**counts, "unavailable": f"fewer than {params.minimum_images} images"}
    precision, recall = precision_recall(real, made)
    low, high = bootstrap_interval(frechet_distance, real, made, params.bootstrap_draws, params.seed)
    return {
        **counts,
        "fid": frechet_distance(real, made),
        "fid_interval": [low, high],
        "kid": kernel_distance(real, made),
        "precision": precision,
        "recall": recall,
    }


def concepts(
    real: tuple[pd.DataFrame, Features], made: tuple[pd.DataFrame, Features], params: FidParams
) -> dict[str, Any]:
    """Concept accuracy of generated images, over all and by skin type; the interval resamples sources whole.

    ``judge`` is the same of the reference images themselves, each among the others: what can be reached.
    """
    (real_rows, real_f), (made_rows, made_f) = real, made
    if min(len(real_f), len(made_f)) < params.minimum_images:
        return {"unavailable": f"fewer than {params.minimum_images} images"}
    labels, unit = real_rows["condition"].to_numpy(str), normalised(real_f)
    among = unit @ unit.T
    np.fill_diagonal(among, -np.inf)
    seen = majority_label(normalised(made_f) @ unit.T, labels, _NEIGHBOURS)
    right = seen == made_rows["condition"].to_numpy(str)
    low, high = cluster_interval(
        lambda rows: float(right[rows].mean()), list(made_rows["source_id"]), params.concept_draws, params.seed
    )
    return {
        "accuracy": float(right.mean()),
        "accuracy_interval": [low, high],
        "by_type": {
            str(t): float(v) for t, v in pd.Series(right).groupby(made_rows["target_type"].to_numpy()).mean().items()
        },
        "judge": float((majority_label(among, labels, _NEIGHBOURS) == labels).mean()),
    }


def score(
    real: tuple[pd.DataFrame, Features], made: tuple[pd.DataFrame, Features], light: Features, params: FidParams
) -> dict[str, Any]:
    """Distances over the generated types, for each type, each condition, and each condition x type."""
    (real_rows, real_f), (made_rows, made_f) = real, made
    types = sorted(set(made_rows["target_type"]))
    same_skin = real_rows["fitzpatrick_scale"].isin(types).to_numpy()

    def part(condition: str | None, skin_type: int | None) -> dict[str, Any]:
        r, m = same_skin.copy(), np.ones(len(made_rows), bool)
        if condition is not None:
            r &= (real_rows["condition"] == condition).to_numpy()
            m &= (made_rows["condition"] == condition).to_numpy()
        if skin_type is not None:
            r &= (real_rows["fitzpatrick_scale"] == skin_type).to_numpy()
            m &= (made_rows["target_type"] == skin_type).to_numpy()
        return compare(real_f[r], made_f[m], params)

    conditions = sorted(set(made_rows["condition"]))
    return {
        "all": part(None, None),
        "concepts": concepts((real_rows[same_skin], real_f[same_skin]), made, params),
        "light_training_images": compare(real_f[same_skin], light, params),
        "by_type": {str(t): part(None, t) for t in types},
        "by_condition": {c: part(c, None) for c in conditions},
        "by_condition_and_type": {c: {str(t): part(c, t) for t in types} for c in conditions},
    }


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--dataset", "--split", "--synthetic", "--screened", "--metrics").parse_args()
    use_threads(read_params(Threads, "scoring").threads)
    params = read_params(FidParams, "fid")
    e, dataset, store = read_extractor(), open_dataset(args.dataset), default_store()

    def features(ids: list[str]) -> Features:
        return cached_features(e, dataset.images(ids), store)[0] if ids else np.empty((0, 1), np.float32)

    reference, train = read_partition(args.split, "reference"), read_partition(args.split, "train")
    rows, images = read_accepted(Path(args.synthetic), args.screened)
    made = cached_features(e, images, store)[0] if len(images) else np.empty((0, 1), np.float32)
    light = features(list(train.loc[train["tone"] == "majority", "image_id"]))
    scores = score((reference, features(list(reference["image_id"]))), (rows, made), light, params)
    write_metrics(args.metrics, {"features": e.name, **scores})


if __name__ == "__main__":
    run(main)

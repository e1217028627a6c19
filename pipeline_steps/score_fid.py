"""How near generated images are to real ones of the same skin: distances, precision, recall, concepts.

Reads: data set, split, generated and screened images. Writes: ``metrics/fid/<cell>.json``. With Inception's features
the Fréchet and the kernel distance are FID and KID; ``features`` names the network.
The real side is the reference partition: images that trained nothing and test nothing. Where a split leaves none of
a group, the metric says so. The light training images stand beside as the baseline that generation must beat. Concept
accuracy is how often most of the nearest reference images have the condition that a generated image was made for.

Intervals resample whole groups: real images by their group, generated ones by their source's. Those of precision and
recall resample the images that are looked up alone and leave the set they are looked up in as it is, for an image
that is there twice would be its own nearest neighbour. Single conditions have no intervals: they are of a few images.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from pipeline_steps.features.distances import frechet_distance, kernel_distance, precision_recall
from pipeline_steps.features.extractors import cached_features
from pipeline_steps.features.neighbours import among_others, majority_label, similarities
from pipeline_steps.features.resampling import distance_intervals
from pipeline_steps.features.settings import read_extractor
from pipeline_steps.items.store import default_store
from pipeline_steps.records.groups import share_interval
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.synthetic import read_accepted
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.params import Params, read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads

Features = npt.NDArray[np.float32]
Side = tuple[pd.DataFrame, Features]  # rows with ``group`` and ``condition``, and their features (N, D)


class FidParams(Params):
    """``fid`` in params.yaml."""

    bootstrap_draws: int = Field(ge=100)  # of fewer, 2.5 % are less than three
    minimum_images: int = Field(ge=2)
    neighbours: int = Field(ge=1)
    seed: int


def compare(real: Side, made: Side, params: FidParams, *, intervals: bool) -> dict[str, Any]:
    """All distances between two sets, or why there are none."""
    (real_rows, real_f), (made_rows, made_f) = real, made
    counts = {"real": len(real_f), "generated": len(made_f)}
    if min(counts.values()) < params.minimum_images:
        return {**counts, "unavailable": f"fewer than {params.minimum_images} images"}
    among_real, among_made = precision_recall(real_f, made_f)
    found = {
        **counts,
        "frechet_distance": frechet_distance(real_f, made_f),
        "kernel_distance": kernel_distance(real_f, made_f),
        "precision": float(among_real.mean()),
        "recall": float(among_made.mean()),
    }
    if not intervals:
        return found
    groups = (list(real_rows["group"]), list(made_rows["group"]))
    how = (params.bootstrap_draws, params.seed)
    return {
        **found,
        **{f"{name}_interval": list(ends) for name, ends in distance_intervals(real_f, made_f, groups, *how).items()},
        "precision_interval": list(share_interval(among_real, groups[1], *how)),
        "recall_interval": list(share_interval(among_made, groups[0], *how)),
    }


def concepts(real: Side, made: Side, params: FidParams) -> dict[str, Any]:
    """Concept accuracy of generated images, over all and by skin type; the interval resamples sources whole.

    ``judge`` is the same of the reference images themselves, each among those of other groups: what can be reached.
    """
    (real_rows, real_f), (made_rows, made_f) = real, made
    if min(len(real_f), len(made_f)) < params.minimum_images:
        return {"unavailable": f"fewer than {params.minimum_images} images"}
    labels, groups = real_rows["condition"].to_numpy(str), real_rows["group"].to_numpy(str)
    among = among_others(similarities(real_f, real_f), groups, groups)
    judge = majority_label(among, labels, params.neighbours) == labels
    right = majority_label(similarities(made_f, real_f), labels, params.neighbours) == made_rows["condition"].to_numpy(
        str
    )
    return {
        **_share(right, made_rows, params),
        "by_type": {
            str(t): _share(right[rows], made_rows[rows], params)
            for t in sorted(set(made_rows["target_type"]))
            if (rows := (made_rows["target_type"] == t).to_numpy()).any()
        },
        "judge": float(judge.mean()),
    }


def _share(right: npt.NDArray[np.bool_], rows: pd.DataFrame, params: FidParams) -> dict[str, Any]:
    """How many are right, of how many, with an interval."""
    interval = share_interval(right, list(rows["group"]), params.bootstrap_draws, params.seed)
    return {"accuracy": float(right.mean()), "n": len(right), "accuracy_interval": list(interval)}


def score(real: Side, made: Side, light: Side, params: FidParams) -> dict[str, Any]:
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
        sides = (real_rows[r], real_f[r]), (made_rows[m], made_f[m])
        return compare(*sides, params, intervals=condition is None)

    reference, conditions = (real_rows[same_skin], real_f[same_skin]), sorted(set(made_rows["condition"]))
    return {
        "all": part(None, None),
        "concepts": concepts(reference, made, params),
        "light_training_images": compare(reference, light, params, intervals=True),
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

    def side(rows: pd.DataFrame) -> Side:
        ids = list(rows["image_id"])
        return rows, cached_features(e, dataset.images(ids), store)[0] if ids else np.empty((0, 1), np.float32)

    reference, train = read_partition(args.split, "reference"), read_partition(args.split, "train")
    rows, images = read_accepted(Path(args.synthetic), args.screened)
    group = train.set_index("image_id")["group"]
    rows = rows.assign(group=rows["source_id"].map(group).fillna(rows["source_id"]))
    made = cached_features(e, images, store)[0] if len(images) else np.empty((0, 1), np.float32)
    light = side(train[train["tone"] == "majority"])
    write_metrics(args.metrics, {"features": e.name, **score(side(reference), (rows, made), light, params)})


if __name__ == "__main__":
    run(main)

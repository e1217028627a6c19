"""How near generated images are to real ones of the same level: distances of features, precision, recall, conditions.

Reads: data set, split, generated and screened images. Writes: ``metrics/fid/<cell>.json``.
The real side is the reference partition: images that trained nothing and test nothing. Where a split leaves none of
a level, the metric says so. The majority's training images stand beside as the baseline that generation must beat.
Condition accuracy is how often most of the nearest reference images have the condition that a generated image was made
for. Where a study knows groups of skin types alone, generated images count by the group of their type.

``frechet_distance`` and ``kernel_distance`` are FID and KID where ``features`` are Inception's alone. Intervals take
whole groups together (generated: of one source's group) and cover the sampling of images: not the bias that a Fréchet
distance of few images has, and not another training of the generator (``measures/images/intervals.py``).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.features.extractors import cached_features
from pipeline_steps.features.neighbours import neighbours, similarity_to_others
from pipeline_steps.features.settings import read_extractor
from pipeline_steps.generation.synthetic import images_of, read_accepted, source_groups
from pipeline_steps.items.store import default_store
from pipeline_steps.measures.images.intervals import Halves, distance_intervals
from pipeline_steps.measures.images.sides import Features, Sides
from pipeline_steps.measures.images.table import DISTANCES
from pipeline_steps.parameters.fid import FidParams
from pipeline_steps.parameters.population import Column
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.populations import MAJORITY, SKIN_TYPE, in_order
from pipeline_steps.records.skin_types import GROUPS, group_of
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads
from pipeline_steps.statistics.cluster_intervals import share_interval

COVERS = "images of the same counts drawn anew by whole groups; neither the bias of few images nor another training"


@dataclass(frozen=True)
class Images:
    """Of each image its ``condition``, ``level`` and ``group`` (columns of ``rows``), and its features (n, D).

    ``level``: of a generated image that which it was made for; ``group`` its source's.
    """

    rows: pd.DataFrame
    features: Features

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Images":
        """The ``chosen`` ones."""
        return Images(self.rows[chosen].reset_index(drop=True), self.features[chosen])

    def of(self, condition: str | None = None, level: str | None = None) -> "Images":
        """Those of a condition, a level, or both."""
        chosen = np.ones(len(self.rows), bool)
        if condition is not None:
            chosen &= (self.rows["condition"] == condition).to_numpy()
        if level is not None:
            chosen &= (self.rows["level"] == level).to_numpy()
        return self.where(chosen)


def compare(real: Images, made: Images, params: FidParams, draws: int) -> dict[str, Any]:
    """All distances between two sets, or why there are none; with intervals from ``draws`` halves, unless that is 0."""
    groups = {"real_groups": real.rows["group"].nunique(), "generated_groups": made.rows["group"].nunique()}
    counts = {"real": len(real.rows), "generated": len(made.rows), **groups}
    if min(len(real.rows), len(made.rows)) < params.minimum_images:
        return {**counts, "unavailable": f"fewer than {params.minimum_images} images"}
    sides = Sides(real.features, made.features, params.manifold_neighbours)
    values = {m.name: m.of(sides) for m in DISTANCES}
    if not draws:
        return {**counts, **values}
    how = Halves(draws, params.seed, params.interval_groups)
    intervals = distance_intervals(sides, values, (list(real.rows["group"]), list(made.rows["group"])), how)
    return counts | values | {f"{measure}_interval": interval for measure, interval in intervals.items()}


def condition_accuracy(real: Images, made: Images, params: FidParams) -> dict[str, Any]:
    """How many generated images have the condition that most of their nearest reference images have.

    Over all and by level; intervals resample sources' groups whole, and hold the reference images fixed: two augmenters
    are compared with the same ones. ``leave_one_out_ceiling`` is the same of the reference images themselves, each
    among those of other groups. Nothing is said of fewer than ``minimum_images``, nor where a condition has too few
    groups of reference images to be most of the neighbours.
    """
    if min(len(real.rows), len(made.rows)) < params.minimum_images:
        return {"unavailable": f"fewer than {params.minimum_images} images"}
    most = params.neighbours // 2 + 1
    groups_of = real.rows.groupby("condition")["group"].nunique()
    if few := sorted(c for c in set(made.rows["condition"]) if groups_of.get(c, 0) <= most):  # one may be the own group
        return {"unavailable": f"{most} reference images or fewer of {', '.join(few)}"}
    labels = real.rows["condition"].to_numpy(str)

    def right(images: Images) -> npt.NDArray[np.bool_]:
        groups = list(images.rows["group"]), list(real.rows["group"])
        near = neighbours(similarity_to_others(images.features, real.features, *groups), labels, params.neighbours)
        return np.asarray(near.label == images.rows["condition"].to_numpy(str), bool)

    def share(hits: npt.NDArray[np.bool_], rows: pd.DataFrame) -> dict[str, Any]:
        interval = share_interval(hits, list(rows["group"]), params.accuracy_draws, params.seed)
        counts = {"images": len(rows), "groups": rows["group"].nunique()}
        return {"accuracy": float(hits.mean()), "accuracy_interval": interval, **counts}

    hits, types = right(made), made.rows["level"].to_numpy()
    counts = made.rows["level"].value_counts()
    known = [t for t in sorted(set(types)) if counts[t] >= params.minimum_images]
    by_level = {str(t): share(hits[types == t], made.rows[types == t]) for t in known}
    ceiling = right(real)
    return {
        **share(hits, made.rows),
        "by_level": by_level,
        "leave_one_out_ceiling": float(ceiling.mean()),
        "ceiling_images": len(ceiling),
    }


def score(real: Images, made: Images, majority: Images, params: FidParams) -> dict[str, Any]:
    """Distances over the generated levels, for each level, each condition, and each condition x level."""
    levels, conditions = in_order(made.rows["level"]), sorted(set(made.rows["condition"]))
    same_level = real.where(real.rows["level"].isin(levels).to_numpy())

    def part(condition: str | None, level: str | None) -> dict[str, Any]:
        sides = same_level.of(condition, level), made.of(condition, level)
        return compare(*sides, params, params.part_interval_draws)

    return {
        "all": compare(same_level, made, params, params.interval_draws),
        "condition_accuracy": condition_accuracy(same_level, made, params),
        "majority_training_images": compare(same_level, majority, params, params.interval_draws),
        "by_level": {str(t): part(None, t) for t in levels},
        "by_condition": {c: part(c, None) for c in conditions},
        "by_condition_and_type": {c: {str(t): part(c, t) for t in levels} for c in conditions},
        "intervals_cover": COVERS,
    }


def wanted_levels(table: pd.DataFrame, train: pd.DataFrame, column: str) -> list[str]:
    """The levels that images were made for; their groups', where the study knows groups of skin types alone."""
    groups_alone = column == SKIN_TYPE and train["level"].isin(GROUPS).any()
    return [group_of(level) if groups_alone else level for level in table["target_level"]]


def made_images(table: pd.DataFrame, train: pd.DataFrame, features: Features, column: str) -> Images:
    """Generated images, whose level is that of the wanted one in the study that ``train`` is of."""
    levels = wanted_levels(table, train, column)
    return Images(table.assign(level=levels, group=source_groups(table["source_id"], train)), features)


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--dataset", "--split", "--synthetic", "--screened", "--metrics").parse_args()
    use_threads(read_params(Threads, "scoring").threads)
    params = read_params(FidParams, "fid")
    e, dataset, store = read_extractor(), open_dataset(args.dataset), default_store()

    def real(rows: pd.DataFrame) -> Images:
        return Images(rows, cached_features(e, dataset.images(rows["image_id"]), store)[0])

    reference, train = read_partition(args.split, "reference"), read_partition(args.split, "train")
    table = read_accepted(args.synthetic, args.screened)
    features, _ = cached_features(e, images_of(args.synthetic, table), store)
    majority = real(train[train["population"] == MAJORITY].reset_index(drop=True))
    made = made_images(table, train, features, read_params(Column, "population.column").value)
    scores = score(real(reference), made, majority, params)
    write_metrics(args.metrics, {"features": e.name, **scores})


if __name__ == "__main__":
    run(main)

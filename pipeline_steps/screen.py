"""Screen generated images: copies, wrong skin tone, blank images, unlikely masks. Nothing is dropped silently.

Reads: data set, split, generated images. Writes: ``data/screened/<cell>.parquet`` (a row an image: accepted, reasons,
measurements) and ``metrics/screen/<cell>.json``.

Memorisation: an image is rejected when its nearest training image is nearer than all but a small share of real
validation images are to theirs. If it began as its source's pixels the source's whole group (near-duplicates, the same
lesion, the same patient) is left out: closeness to that is by design. An image that was made from noise had its
source's caption alone, and is a copy if it looks like that one, too. The distance to the source is reported for all.

Class consistency (the condition of most near training images, the own group apart) is reported beside the same rule's
hits on real validation images, per level, and rejects nothing: neighbours that are all of the majority would reject
good images of the minority.

Skin tone likewise, where people are divided by skin type: measured on generated and on real images of known type
(``features.skin_tone``), reported with its error on the latter, and a reason to reject only where that error is known
and small.
"""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.features.extractors import cached_features
from pipeline_steps.features.memorisation import Limit, memorisation_limit
from pipeline_steps.features.neighbours import Neighbours, directions, neighbours, similarity_to_others
from pipeline_steps.features.settings import read_extractor
from pipeline_steps.features.skin_tone import Skin, ToneRule, Tones, check_tones, measured_where, skin_of
from pipeline_steps.generation.synthetic import (
    MASK_COLUMN,
    STARTS_FROM_SOURCE,
    images_of,
    masks_of,
    read_metadata,
    source_groups,
)
from pipeline_steps.items.store import ItemStore, default_store
from pipeline_steps.parameters.population import Check, Column
from pipeline_steps.parameters.screen import REASONS, ScreenParams
from pipeline_steps.pixels.appearance import Appearances, appearances
from pipeline_steps.records.manifest import Dataset, open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.populations import SKIN_TYPE
from pipeline_steps.records.privacy import public_ids
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads

Features = npt.NDArray[np.float32]


def implausible(looks: Appearances, params: ScreenParams) -> npt.NDArray[np.bool_]:
    """Which masks are empty, full (their share of the image is out of range) or in fragments."""
    low, high = params.mask_area
    return (looks.mask_area < low) | (looks.mask_area > high) | (looks.largest_part < params.mask_largest_part)


def screen(
    generated: tuple[pd.DataFrame, Appearances, Features],
    training: tuple[pd.DataFrame, Features],
    validation: tuple[pd.DataFrame, Features],
    params: ScreenParams,
    tones: Tones,
) -> tuple[pd.DataFrame, Limit, Neighbours]:
    """Verdicts on all images, the distance below which one counts as memorised, and what real images are nearest to.

    ``generated``: metadata, looks and features; the others: rows of the split and features. ``tones`` of the generated
    images. Images are named by public ids.
    """
    (table, looks, made), (rows, train) = generated, training
    similarity = similarity_to_others(made, train, _by_design(table, rows), list(rows["group"]))
    near = neighbours(similarity, rows["condition"].to_numpy(str), params.neighbours)
    of_real = _held_out(validation, training, params)
    limit = memorisation_limit(of_real.distance, list(validation[0]["group"]), params.memorisation_quantile)
    own = _reasons_of_looks(looks, params, masked=MASK_COLUMN in table)
    found = own | {"memorised": near.distance < limit.distance, "skin_tone": tones.wrong}
    why = [" ".join(r for r in params.reject if found[r][i]) for i in range(len(table))]
    names = public_ids(rows)
    out = pd.DataFrame(
        {
            "file_name": table["file_name"],
            "condition": table["condition"],
            "target_level": table["target_level"],
            "accepted": [not w for w in why],
            "reasons": why,
            "ita": tones.skin.ita,
            "measured_type": tones.skin.types,
            "nearest_train": ["" if i < 0 else names[i] for i in near.index],
            "distance": near.distance,
            "nearest_condition": near.label,
            "source_distance": _source_distance(table["source_id"], made, training),
        }
    )
    return out, limit, of_real


def _reasons_of_looks(looks: Appearances, params: ScreenParams, *, masked: bool) -> dict[str, npt.NDArray[np.bool_]]:
    """Which images are rejected for their pixels, or the mask that was made with them, alone."""
    masks = implausible(looks, params) if masked else np.zeros(len(looks), bool)
    return {"blank": looks.contrast < params.blank_contrast, "mask": masks}


def _by_design(table: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """The group that each generated image is like by design: its source's, or none where it began as noise."""
    groups = source_groups(table["source_id"], rows)
    return [g if own else "" for g, own in zip(groups, table[STARTS_FROM_SOURCE], strict=True)]


def _held_out(
    validation: tuple[pd.DataFrame, Features], training: tuple[pd.DataFrame, Features], params: ScreenParams
) -> Neighbours:
    """Of each validation image the nearest training images of other groups."""
    (rows, features), (train_rows, train) = validation, training
    similarity = similarity_to_others(features, train, list(rows["group"]), list(train_rows["group"]))
    return neighbours(similarity, train_rows["condition"].to_numpy(str), params.neighbours)


def _source_distance(sources: pd.Series, made: Features, training: tuple[pd.DataFrame, Features]) -> Features:
    """Cosine distance (n,) of each generated image to its own source; NaN where that is no training image."""
    rows, train = training
    position = {name: i for i, name in enumerate(public_ids(rows))}
    own, centre = np.array([position.get(i, -1) for i in sources], np.intp), train.mean(0)
    similarity = (directions(made, centre) * directions(train, centre)[own]).sum(1)
    return np.where(own >= 0, 1 - similarity, np.nan).astype(np.float32)


def consistency(table: pd.DataFrame, predicted: npt.NDArray[np.str_], by: str) -> dict[str, dict[str, float]]:
    """Share of images whose predicted condition is their own, and how many there are, by the level in ``by``."""
    hit = pd.Series(predicted == table["condition"].to_numpy(str))
    found = hit.groupby(table[by].to_numpy()).agg(["mean", "size"])
    return {str(t): {"agrees": float(r["mean"]), "images": int(r["size"])} for t, r in found.iterrows()}


def _rejected(verdicts: pd.DataFrame) -> dict[str, int]:
    return {r: int(verdicts["reasons"].str.contains(r).sum()) for r in REASONS}


def summary(verdicts: pd.DataFrame, limit: Limit, tones: Tones) -> dict[str, object]:
    """The counts that go into the metrics."""
    by_condition = verdicts.groupby("condition")["accepted"].agg(["sum", "size"])
    return {
        "generated": len(verdicts),
        "accepted": int(verdicts["accepted"].sum()),
        "rejected": _rejected(verdicts),
        "by_target_type": {
            str(t): {"generated": len(rows), "accepted": int(rows["accepted"].sum()), "rejected": _rejected(rows)}
            for t, rows in verdicts.groupby("target_level")
        },
        "memorisation": asdict(limit),
        "mean_distance_to_own_source": float(verdicts["source_distance"].mean()),
        "skin_tone": tones.report,
        "median_ita_by_target_type": {
            str(t): float(v) for t, v in verdicts.groupby("target_level")["ita"].median().items()
        },
        "class_consistency": consistency(verdicts, verdicts["nearest_condition"].to_numpy(str), "target_level"),
        "accepted_by_condition": {
            str(c): {"accepted": int(r["sum"]), "generated": int(r["size"])} for c, r in by_condition.iterrows()
        },
    }


def tones_of(
    table: pd.DataFrame, looks: Appearances, known: tuple[pd.DataFrame, Appearances], params: ScreenParams
) -> Tones:
    """The skin of generated images, checked by a measure that is tried on rows of ``known`` level and their looks."""
    rows, real = known
    rule = ToneRule(params.tone_tolerance, params.tone_largest_error)
    wanted = table["target_level"].to_numpy().astype(np.int64)
    tones = check_tones(wanted, skin_of(looks.ita), rows, skin_of(real.ita), rule)
    where = {"generated": measured_where(looks.mask_area), "real": measured_where(real.mask_area)}
    return replace(tones, report={"measured": where, **tones.report})


def looks_of_real(dataset: Dataset, rows: pd.DataFrame, store: ItemStore, *, masked: bool) -> Appearances:
    """How real images look; without their lesions' skin if ``masked``, where they have a mask."""
    has = dataset.with_mask(rows["image_id"]) if masked else np.zeros(len(rows), bool)
    row_of_mask = np.where(has, np.cumsum(has) - 1, -1)
    drawn = dataset.masks_of(rows["image_id"][has])
    return appearances(dataset.images(rows["image_id"]), row_of_mask.tolist(), drawn, store)


def unchecked(wanted: pd.Series, skin: Skin, report: dict[str, Any]) -> Tones:
    """What was measured of the ``skin`` of images for the levels ``wanted``, and nothing rejected for it."""
    why = dict.fromkeys(sorted(set(wanted)), "population.check is null")
    return Tones(skin, np.zeros(len(wanted), bool), report | {"rejects_nothing_because": why})


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--dataset", "--split", "--synthetic", "--out", "--metrics").parse_args()
    use_threads(read_params(Threads, "scoring").threads)
    params = read_params(ScreenParams, "screen")
    e, dataset, store = read_extractor(), open_dataset(args.dataset), default_store()
    train, validation = read_partition(args.split, "train"), read_partition(args.split, "validation")
    table = read_metadata(args.synthetic)
    images, masks = images_of(args.synthetic, table), masks_of(args.synthetic, table)
    looks = appearances(images, None if masks is None else range(len(masks)), masks, store)
    if read_params(Column, "population.column").value == SKIN_TYPE:
        known = read_partition(args.split, "train", "validation", "reference")
        # Measured in the same way: without lesions where the generated images have masks, too.
        real = looks_of_real(dataset, known, store, masked=masks is not None)
        tones = tones_of(table, looks, (known, real), params)
    else:  # what is measured of skin then says nothing of the level
        tones = unchecked(table["target_level"], skin_of(looks.ita), {})
    if read_params(Check, "population.check").value is None:
        tones = unchecked(table["target_level"], tones.skin, tones.report)
    training = train, cached_features(e, dataset.images(train["image_id"]), store)[0]
    held_out = validation, cached_features(e, dataset.images(validation["image_id"]), store)[0]
    generated = table, looks, cached_features(e, images, store)[0]
    verdicts, limit, of_real = screen(generated, training, held_out, params, tones)
    with atomic_file(args.out) as temporary:
        verdicts.to_parquet(temporary, index=False)
    counts = summary(verdicts, limit, tones)
    if len(validation):
        counts["class_consistency_of_real_validation"] = consistency(validation, of_real.label, "level")
    write_metrics(args.metrics, counts)


if __name__ == "__main__":
    run(main)

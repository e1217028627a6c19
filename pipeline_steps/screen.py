"""Screen generated images: copies, wrong skin tone, blank images, unlikely masks. Nothing is dropped silently.

Reads: data set, split, generated images. Writes: ``data/screened/<cell>.parquet`` (a row an image: accepted, reasons,
measurements) and ``metrics/screen/<cell>.json``.

Memorisation: an image is rejected when its nearest training image (its own source apart) is nearer than all but a
small share of real validation images are to theirs. Closeness to the own source is by design and reported.

Class consistency (the condition of most near training images, the own source apart) is reported beside the same
judge's hits on real validation images, per skin type, and rejects nothing: a judge that knows light skin alone would
reject the good dark images.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import label

from pipeline_steps.features.extractors import Extractor, cached_features
from pipeline_steps.features.neighbours import majority_label, nearest, normalised
from pipeline_steps.features.settings import read_extractor
from pipeline_steps.items.store import default_store
from pipeline_steps.records.errors import DataError
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.records.partitions import read_partition
from pipeline_steps.records.skin_types import type_from_ita
from pipeline_steps.records.synthetic import read_masks, read_synthetic
from pipeline_steps.records.tone import border_ita
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.outputs import whole_file
from pipeline_steps.stage.params import Params, read_params
from pipeline_steps.stage.run import parser, run
from pipeline_steps.stage.threads import Threads, use_threads

REASONS = ("memorised", "skin_tone", "blank", "mask")
Features = npt.NDArray[np.float32]
_NEIGHBOURS = 5  # of the class-consistency judge


class ScreenParams(Params):
    """``screen`` in params.yaml."""

    reject: tuple[str, ...]
    memorisation_quantile: float
    tone_tolerance: int
    blank_contrast: float
    mask_area: tuple[float, float]
    mask_largest_part: float


def implausible(masks: npt.NDArray[np.bool_], params: ScreenParams) -> npt.NDArray[np.bool_]:
    """Which masks (N, H, W) are empty, full (their share of the image is out of range) or in fragments."""
    share = masks.mean(axis=(1, 2))
    low, high = params.mask_area
    whole = np.array([_largest_part(mask) for mask in masks])
    return (share < low) | (share > high) | (whole < params.mask_largest_part)


def _largest_part(mask: npt.NDArray[np.bool_]) -> float:
    """The largest connected part's share of a mask."""
    parts, _ = label(mask)
    sizes = np.bincount(parts.ravel())[1:]
    return float(sizes.max() / sizes.sum()) if len(sizes) else 0.0


def contrast(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Standard deviation (N,) of each image's luma, of 255."""
    luma = images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return luma.reshape(len(images), -1).std(1)


def similarity_to_others(made: Features, train: Features, own: npt.NDArray[np.intp]) -> Features:
    """Cosine similarity (N, M) of generated and training images; the own source (index, -1 for none) is -inf."""
    similarity: Features = normalised(made) @ normalised(train).T
    rows = np.flatnonzero(own >= 0)
    similarity[rows, own[rows]] = -np.inf
    return similarity


def screen(
    table: pd.DataFrame,
    images: npt.NDArray[np.uint8],
    features: tuple[Features, Features, Features],
    training: pd.DataFrame,
    params: ScreenParams,
    masks: npt.NDArray[np.bool_] | None = None,
) -> tuple[pd.DataFrame, float]:
    """Verdicts on all images, and the distance below which an image counts as memorised.

    ``features``: of generated, training and validation images; ``training``: its ids and conditions; ``masks`` as
    ``generate`` made them, if it did. Without validation images no distance is known and none is rejected for it.

    Raises:
        DataError: ``reject`` names an unknown reason.
    """
    if unknown := set(params.reject) - set(REASONS):
        raise DataError(f"screen.reject names {', '.join(sorted(unknown))}, not {', '.join(REASONS)}")
    made, train, validation = features
    train_ids = list(training["image_id"])
    position = {image_id: i for i, image_id in enumerate(train_ids)}
    own = np.array([position.get(i, -1) for i in table["source_id"]], np.intp)
    similarity = similarity_to_others(made, train, own)
    index, distance = similarity.argmax(1), 1 - similarity.max(1)
    held_out = nearest(validation, train)[1] if len(validation) else np.array([-1.0], np.float32)
    threshold = float(np.quantile(held_out, params.memorisation_quantile))
    ita = border_ita(images)
    measured = np.array([type_from_ita(float(v)) for v in ita])
    own_distance = 1 - (normalised(made) * normalised(train)[own]).sum(1)
    wrong_tone = np.abs(measured - table["target_type"].to_numpy()) > params.tone_tolerance
    why = _reasons({"memorised": distance < threshold, "skin_tone": wrong_tone}, images, masks, params)
    out = pd.DataFrame(
        {
            "file_name": table["file_name"],
            "condition": table["condition"],
            "target_type": table["target_type"],
            "accepted": [not w for w in why],
            "reasons": why,
            "ita": ita,
            "measured_type": measured,
            "nearest_train": [train_ids[i] for i in index],
            "distance": distance,
            "judged_condition": majority_label(similarity, training["condition"].to_numpy(str), _NEIGHBOURS),
            "source_distance": np.where(own >= 0, own_distance, np.nan).astype(np.float32),
        }
    )
    return out, threshold


def _reasons(
    found: dict[str, npt.NDArray[np.bool_]],
    images: npt.NDArray[np.uint8],
    masks: npt.NDArray[np.bool_] | None,
    params: ScreenParams,
) -> list[str]:
    """Why each image is rejected, empty where it is not: by what was ``found``, and by its pixels and mask alone."""
    found = found | {
        "blank": contrast(images) < params.blank_contrast,
        "mask": np.zeros(len(images), bool) if masks is None else implausible(masks, params),
    }
    return [" ".join(r for r in params.reject if found[r][i]) for i in range(len(images))]


def consistency(table: pd.DataFrame, judged: npt.NDArray[np.str_], by: str) -> dict[str, dict[str, float]]:
    """Share of images whose judged condition is their own, and how many there are, by the skin type in ``by``."""
    hit = pd.Series(judged == table["condition"].to_numpy(str))
    found = hit.groupby(table[by].to_numpy()).agg(["mean", "size"])
    return {str(t): {"agrees": float(r["mean"]), "images": int(r["size"])} for t, r in found.iterrows()}


def summary(verdicts: pd.DataFrame, threshold: float) -> dict[str, object]:
    """The counts that go into the metrics."""
    by_condition = verdicts.groupby("condition")["accepted"].agg(["sum", "size"])
    return {
        "generated": len(verdicts),
        "accepted": int(verdicts["accepted"].sum()),
        "rejected": {r: int(verdicts["reasons"].str.contains(r).sum()) for r in REASONS},
        "memorisation_distance": threshold,
        "mean_distance_to_own_source": float(verdicts["source_distance"].mean()),
        "median_ita_by_target_type": {
            str(t): float(v) for t, v in verdicts.groupby("target_type")["ita"].median().items()
        },
        "class_consistency": consistency(verdicts, verdicts["judged_condition"].to_numpy(str), "target_type"),
        "accepted_by_condition": {
            str(c): {"accepted": int(r["sum"]), "generated": int(r["size"])} for c, r in by_condition.iterrows()
        },
    }


def _features(e: Extractor, images: npt.NDArray[np.uint8]) -> Features:
    return cached_features(e, images, default_store())[0]


def main() -> None:
    """Command line."""
    args = parser(__doc__, "--dataset", "--split", "--synthetic", "--out", "--metrics").parse_args()
    use_threads(read_params(Threads, "scoring").threads)
    params = read_params(ScreenParams, "screen")
    e, dataset = read_extractor(), open_dataset(args.dataset)
    train, validation = read_partition(args.split, "train"), read_partition(args.split, "validation")
    table, images = read_synthetic(Path(args.synthetic))
    empty = np.empty((0, 1), np.float32)
    features = (
        _features(e, images),
        _features(e, dataset.images(train["image_id"])),
        _features(e, dataset.images(validation["image_id"])) if len(validation) else empty,
    )
    verdicts, threshold = screen(table, images, features, train, params, read_masks(args.synthetic, table))
    with whole_file(args.out) as temporary:
        verdicts.to_parquet(temporary, index=False)
    counts = summary(verdicts, threshold)
    if len(validation):
        similarity = normalised(features[2]) @ normalised(features[1]).T
        judged = majority_label(similarity, train["condition"].to_numpy(str), _NEIGHBOURS)
        counts["class_consistency_of_real_validation"] = consistency(validation, judged, "fitzpatrick_scale")
    write_metrics(args.metrics, counts)


if __name__ == "__main__":
    run(main)

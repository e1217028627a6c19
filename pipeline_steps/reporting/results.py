"""Gather what the stages measured into tables: one row a fact, ready to print or to plot."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_steps.measures.classifiers.table import CLASSIFIERS
from pipeline_steps.measures.images.table import DISTANCES
from pipeline_steps.measures.segmenters.table import SEGMENTERS
from pipeline_steps.records.populations import level_name
from pipeline_steps.reporting.measures import ends, scores

NOTHING, NO_MODEL = "models/none", "none"  # what cells.yaml says where there are no weights, and no base model
_NUMBERS = [c for m in CLASSIFIERS for c in (m.name, *(ends(m) if m.interval is not None else ()))]


@dataclass(frozen=True)
class Results:
    """``classifiers``: a row a (cell, partition, level or "all"); ``images``: a row an augmenter cell.

    ``segmenters``: a row a (cell, partition). What a stage left out (too few images, no interval) is NaN.
    """

    classifiers: pd.DataFrame
    images: pd.DataFrame
    segmenters: pd.DataFrame


def read_json(path: Path) -> Any:
    """Parse a metrics file."""
    return json.loads(path.read_text("utf-8"))


def gather(cells: dict[str, Any], metrics: Path, column: str) -> Results:
    """Read the metrics of exactly the cells in the grid; stale files of others are not looked at.

    ``column``: what divides people, whose levels are named as people write them.
    """
    rows: list[dict[str, Any]] = []
    for key, cell in cells["train_classifier"].items():
        measured = read_json(metrics / "classification" / f"{key}.json")
        head = {"cell": key, **{k: cell[k] for k in ("arm", "architecture", "augmenter", "split")}}
        for partition, found in measured.items():
            rows += _score_rows({**head, "partition": partition}, found)
    classifiers = pd.DataFrame(rows)
    if len(classifiers):
        parts = classifiers["split"].str.rsplit("-", n=1, expand=True)
        numbers = {k: classifiers[k].astype(float) for k in _NUMBERS}  # None is NaN
        classifiers = classifiers.assign(scenario=parts[0], draw=parts[1].astype(int), **numbers)
    images = pd.DataFrame([_image_row(k, cells["generate"][k], metrics, column) for k in cells["screen"]])
    return Results(classifiers, images, _segmenters(cells, metrics, column))


def _segmenters(cells: dict[str, Any], metrics: Path, column: str) -> pd.DataFrame:
    """Measures of the segmenters in the grid; ``low``, ``high`` and ``by_level`` (words) are of the first measure."""
    rows: list[dict[str, Any]] = []
    for key, cell in cells["train_segmenter"].items():
        for partition, found in read_json(metrics / "segmentation" / f"{key}.json").items():
            numbers = {"n": found["n"], **{m.name: found[m.name] for m in SEGMENTERS}}
            low, high = found[f"{SEGMENTERS[0].name}_interval"]
            by_level = ", ".join(f"{level_name(column, t)}: {_overlap(part)}" for t, part in found["by_level"].items())
            named = {"cell": key, "partition": partition, **{k: cell[k] for k in ("arm", "augmenter", "split")}}
            rows.append({**named, **numbers, "low": low, "high": high, "by_level": by_level})
    return pd.DataFrame(rows).astype({"low": float, "high": float}) if rows else pd.DataFrame()


def _overlap(found: dict[str, Any]) -> str:
    name = SEGMENTERS[0].name
    low, high = found[f"{name}_interval"]
    interval = "" if low is None else f"{low:.2f} to {high:.2f}, "
    return f"{found[name]:.2f} ({interval}n {found['n']}{', few' if found['few'] else ''})"


def mask_agreement(cells: dict[str, Any], metrics: Path) -> list[dict[str, Any]]:
    """How a segmenter trained on real images sees the generated ones: Dice with their own masks, by augmenter cell."""
    found = {key: read_json(metrics / "masks" / f"{key}.json") for key in cells["score_masks"]}
    return [{"cell": key, "unavailable": "", "dice": None, "images": 0, **scores} for key, scores in found.items()]


def _score_rows(head: dict[str, Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    """A row over all images, and one a level."""
    by_level = found["by_level"]
    whole = {"n": found["n"], **scores(found, [m for m in CLASSIFIERS if not m.between_levels])}
    between = {m.name: by_level[m.name] for m in CLASSIFIERS if m.between_levels}
    rows = [{**head, "level": "all", **whole, "worst_level": by_level["worst_level"], **between}]
    each = [m for m in CLASSIFIERS if m.each_level]
    for level, n in by_level["n"].items():
        of_type = {key: values[level] for key, values in by_level.items() if isinstance(values, dict)}
        rows.append({**head, "level": level, "n": n, **scores(of_type, each)})
    return rows


def _image_row(key: str, cell: dict[str, str], metrics: Path, column: str) -> dict[str, Any]:
    screened, scored = read_json(metrics / "screen" / f"{key}.json"), read_json(metrics / "fid" / f"{key}.json")
    distances, concepts = scored["all"], scored["condition_accuracy"]
    names = [m.name for m in DISTANCES]
    intervals = {m: distances.get(f"{m}_interval", (None, None)) for m in names}
    return {
        "cell": key,
        "augmenter": cell["augmenter"],
        "split": cell["split"],
        "generated": screened["generated"],
        "accepted": screened["accepted"],
        "reference": distances["real"],
        "features": scored["features"],
        **{f"rejected_{reason}": n for reason, n in screened["rejected"].items()},
        "class_consistency": _by_type(screened["class_consistency"], column),
        "memorisation_rests_on": _rests_on(screened["memorisation"]),
        **_tones(screened["skin_tone"]),
        "class_consistency_on_real": _by_type(screened.get("class_consistency_of_real_validation", {}), column),
        **{m: distances.get(m) for m in names},
        **{f"{m}_{end}": intervals[m][i] for m in names for i, end in enumerate(("low", "high"))},
        "condition_accuracy": concepts.get("accuracy"),
        "condition_accuracy_low": concepts.get("accuracy_interval", (None, None))[0],
        "condition_accuracy_high": concepts.get("accuracy_interval", (None, None))[1],
        "ceiling": concepts.get("leave_one_out_ceiling"),
        "frechet_distance_of_majority_training_images": scored["majority_training_images"].get("frechet_distance"),
        "unavailable": distances.get("unavailable", ""),
    }


def base_model_counterparts(cells: dict[str, Any], augmenters: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Of each scored augmenter cell that was fine-tuned, the one of its base model as it came, where the grid has one.

    ``augmenters``: their settings, with levels as ``target_levels``. Of several such cells for the same levels, one
    of the same mode and passes, else of text-to-image; of those one with the same captions, if there is one, for
    training must beat what the base model makes of them.
    """

    def plain(cell: dict[str, str]) -> bool:
        return cell["base"] != NO_MODEL and cell["tokens"] == cell["adapter"] == NOTHING

    def aim(cell: dict[str, str]) -> tuple[str, str, Any]:
        return cell["base"], cell["split"], augmenters[cell["augmenter"]]["target_levels"]

    def way(cell: dict[str, str]) -> tuple[str, Any]:
        settings = augmenters[cell["augmenter"]]
        return settings["mode"], settings.get("passes")

    def nearness(one: dict[str, str], other: dict[str, str]) -> tuple[bool, bool]:
        captioners = {augmenters[cell["augmenter"]].get("captioner") for cell in (one, other)}
        return way(one) == way(other), len(captioners) == 1

    scored = {key: cells["generate"][key] for key in cells["screen"]}
    twins: dict[str, str] = {}
    for key, cell in scored.items():
        if plain(cell) or cell["base"] == NO_MODEL:
            continue
        same = {k: c for k, c in scored.items() if plain(c) and aim(c) == aim(cell)}
        fit = [k for k, c in same.items() if way(c) in (way(cell), ("txt2img", None))]
        twins |= {key: max(fit, key=lambda k: nearness(same[k], cell))} if fit else {}
    return twins


def _by_type(consistency: dict[str, dict[str, float]], column: str) -> str:
    """Hits by level, such as ``V: 211 of 340, VI: 158 of 330``: a percentage of one image says nothing."""
    counts = {t: (round(share["agrees"] * share["images"]), round(share["images"])) for t, share in consistency.items()}
    return ", ".join(f"{level_name(column, t)}: {hits} of {n}" for t, (hits, n) in counts.items())


def _tones(found: dict[str, Any]) -> dict[str, Any]:
    """How well the measure of skin tones fits real images, and why it rejects nothing, where it does not."""
    real, doubts = found.get("real_images", {}).get("all", {}), found["rejects_nothing_because"]
    return {
        "tone_images": real.get("images", 0),
        **{f"tone_{share}": real.get(share) for share in ("exact", "misjudged", "right_side")},
        "tone_doubts": "; ".join(f"for level {t}, {why}" for t, why in doubts.items()),
    }


def _rests_on(limit: dict[str, Any]) -> str:
    """What the distance below which an image counts as memorised was read from."""
    if not limit["images"]:
        return "no held-out image: nothing counts as memorised"
    few = f", too few for {100 * limit['wanted']:g} %" if limit["too_few"] else ""
    return f"{limit['images']} held-out images of {limit['groups']} groups{few}"

"""Gather what the stages measured into tables: one row a fact, ready to print or to plot."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.records.groups import cluster_interval
from pipeline_steps.reporting.arms import in_order
from pipeline_steps.reporting.paper import ABLATION, TABLE_2, paper_family
from pipeline_steps.vision.scores import corrected_paired_test, holm

NOTHING, NO_MODEL = "models/none", "none"  # what cells.yaml says where there are no weights, and no base model


@dataclass(frozen=True)
class Results:
    """``classifiers``: a row a (cell, partition, skin type or "all"); ``images``: a row an augmenter cell.

    ``segmenters``: a row a (cell, partition).
    """

    classifiers: pd.DataFrame
    images: pd.DataFrame
    segmenters: pd.DataFrame


def read_json(path: Path) -> Any:
    """Parse a metrics file."""
    return json.loads(path.read_text("utf-8"))


def gather(cells: dict[str, Any], metrics: Path) -> Results:
    """Read the metrics of exactly the cells in the grid; stale files of others are not looked at."""
    rows: list[dict[str, Any]] = []
    for key, cell in cells["train_classifier"].items():
        measured = read_json(metrics / "classification" / f"{key}.json")
        head = {"cell": key, **{k: cell[k] for k in ("arm", "architecture", "augmenter", "split")}}
        for partition, scores in measured.items():
            rows += _score_rows({**head, "partition": partition}, scores)
    classifiers = pd.DataFrame(rows)
    if len(classifiers):
        parts = classifiers["split"].str.rsplit("-", n=1, expand=True)
        classifiers = classifiers.assign(scenario=parts[0], draw=parts[1].astype(int))
    images = pd.DataFrame([_image_row(k, cells["generate"][k], metrics) for k in cells["screen"]])
    return Results(classifiers, images, _segmenters(cells, metrics))


def _segmenters(cells: dict[str, Any], metrics: Path) -> pd.DataFrame:
    """Dice and IoU of the segmenters in the grid; ``by_type`` is Dice in words."""
    rows: list[dict[str, Any]] = []
    for key, cell in cells["train_segmenter"].items():
        for partition, scores in read_json(metrics / "segmentation" / f"{key}.json").items():
            numbers = {k: scores[k] for k in ("n", "dice", "iou")}
            low, high = scores["dice_interval"]
            by_type = ", ".join(f"{t}: {s['dice']:.2f}" for t, s in scores["by_type"].items())
            named = {"cell": key, "partition": partition, **{k: cell[k] for k in ("arm", "augmenter", "split")}}
            rows.append({**named, **numbers, "low": low, "high": high, "by_type": by_type})
    return pd.DataFrame(rows)


def mask_agreement(cells: dict[str, Any], metrics: Path) -> list[dict[str, Any]]:
    """How a segmenter trained on real images sees the generated ones: Dice with their own masks, by augmenter cell."""
    found = {key: read_json(metrics / "masks" / f"{key}.json") for key in cells["judge_masks"]}
    return [{"cell": key, "unavailable": "", "dice": None, "images": 0, **scores} for key, scores in found.items()]


def _score_rows(head: dict[str, Any], scores: dict[str, Any]) -> list[dict[str, Any]]:
    low, high = scores["accuracy_interval"]
    whole = {"skin_type": "all", "n": scores["n"], "accuracy": scores["accuracy"], "low": low, "high": high}
    extra = {k: scores[k] for k in ("precision", "recall", "f1", "auc")}
    gaps = {k: scores["by_type"][k] for k in ("worst_type", "worst_accuracy", "gap", "equalised_odds_gap")}
    by_type = scores["by_type"]
    rows = [{**head, **whole, **extra, **gaps}]
    for skin_type, accuracy in by_type["accuracy"].items():
        low, high = by_type["accuracy_interval"][skin_type]
        n = by_type["n"][skin_type]
        rows.append({**head, "skin_type": skin_type, "n": n, "accuracy": accuracy, "low": low, "high": high})
    return rows


def _image_row(key: str, cell: dict[str, str], metrics: Path) -> dict[str, Any]:
    screened, fid = read_json(metrics / "screen" / f"{key}.json"), read_json(metrics / "fid" / f"{key}.json")
    low, high = fid["all"].get("fid_interval", (None, None))
    concepts = fid["concepts"]
    return {
        "cell": key,
        "augmenter": cell["augmenter"],
        "split": cell["split"],
        "generated": screened["generated"],
        "accepted": screened["accepted"],
        **{f"rejected_{reason}": n for reason, n in screened["rejected"].items()},
        "class_consistency": _by_type(screened["class_consistency"]),
        "judge_on_real": _by_type(screened.get("class_consistency_of_real_validation", {})),
        "fid": fid["all"].get("fid"),
        "fid_low": low,
        "fid_high": high,
        "kid": fid["all"].get("kid"),
        "precision": fid["all"].get("precision"),
        "recall": fid["all"].get("recall"),
        "concepts": concepts.get("accuracy"),
        "concepts_low": concepts.get("accuracy_interval", (None, None))[0],
        "concepts_high": concepts.get("accuracy_interval", (None, None))[1],
        "concepts_judge": concepts.get("judge"),
        "fid_of_light_training_images": fid["light_training_images"].get("fid"),
        "unavailable": fid["all"].get("unavailable", ""),
    }


def untrained_twins(cells: dict[str, Any], augmenters: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Of each scored augmenter cell that was fine-tuned, the one of its base model as it came, where the grid has one.

    ``augmenters``: their settings. Of several such cells for the same skin types, one of the same mode and passes, else
    of text-to-image; of those one with the same captions, if there is one, for training must beat what the base model
    makes of them.
    """

    def plain(cell: dict[str, str]) -> bool:
        return cell["base"] != NO_MODEL and cell["tokens"] == cell["adapter"] == NOTHING

    def aim(cell: dict[str, str]) -> tuple[str, str, Any]:
        return cell["base"], cell["split"], augmenters[cell["augmenter"]]["target_types"]

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


def _by_type(consistency: dict[str, dict[str, float]]) -> str:
    """Percent by skin type, such as ``5: 62, 6: 48``."""
    return ", ".join(f"{t}: {100 * share['agrees']:.0f}" for t, share in consistency.items())


def table_2(r: Results, partition: str) -> list[dict[str, Any]]:
    """The paper's Table 2: scenario x architecture, accuracy in percent as mean and std over draws, by arm.

    A row an augmenter; where there is none, a row without.
    """
    whole = _overall(r, partition)
    made, rows = whole[whole["augmenter"] != ""], []
    for (scenario, architecture, augmenter), _ in (made if len(made) else whole).groupby(
        ["scenario", "architecture", "augmenter"]
    ):
        same = whole[(whole["scenario"] == scenario) & (whole["architecture"] == architecture)]
        ours = {
            arm: _mean_std(same[(same["arm"] == arm) & same["augmenter"].isin(["", augmenter])])
            for arm in in_order(whole["arm"])
        }
        known = TABLE_2.get(str(scenario), {}) if partition == "test" else {}
        paper = known.get(paper_family(str(architecture)))
        if any(ours.values()):
            row = {"scenario": scenario, "architecture": architecture, "augmenter": augmenter, "ours": ours}
            rows.append({**row, "paper": dict(zip(("real", "syn", "real_syn"), paper, strict=True)) if paper else {}})
    return rows


def ablation(r: Results) -> list[dict[str, Any]]:
    """The paper's ablation: classifiers on synthetic images alone, by strategy, light and dark accuracy."""
    syn = r.classifiers[(r.classifiers["arm"] == "syn")] if len(r.classifiers) else r.classifiers
    strategies = list(dict.fromkeys(r.images["augmenter"])) if len(r.images) else []
    rows = []
    for strategy in strategies:
        mine = syn[(syn["augmenter"] == strategy) & (syn["skin_type"] == "all")] if len(syn) else syn
        found = {
            p: _mean_std(mine[mine["partition"] == p]) if len(mine) else "" for p in ("test_light", "test", "holdout")
        }
        made = r.images[r.images["augmenter"] == strategy]
        fid = f"{made['fid'].mean():.3f}" if len(made) and made["fid"].notna().any() else ""
        rows.append({"strategy": strategy, "ours": found, "fid": fid, "paper": ABLATION.get(strategy)})
    return rows


def paired_tests(r: Results, partition: str, test_share: float, predictions: Path) -> list[dict[str, Any]]:
    """Each arm against ``real`` on the same test images.

    Several draws: paired over draws, corrected for their overlap, Holm over all rows. One draw: an interval over
    images (whole groups resampled), which says nothing about another draw or training seed, and no p.
    """
    whole = _overall(r, partition)
    rows: list[dict[str, Any]] = []
    for (scenario, architecture), same in whole.groupby(["scenario", "architecture"]):
        real = same[same["arm"] == "real"].set_index("draw")[["accuracy", "cell"]]
        for (arm, augmenter), other in same[same["arm"] != "real"].groupby(["arm", "augmenter"]):
            both = other.set_index("draw")[["accuracy", "cell"]].join(real, how="inner", rsuffix="_real")
            if not len(both):
                continue
            head = {"scenario": scenario, "architecture": architecture, "arm": arm, "augmenter": augmenter}
            difference = (both["accuracy"] - both["accuracy_real"]).to_numpy(np.float64)
            test: dict[str, Any] = corrected_paired_test(difference, test_share)
            if len(both) == 1:
                files = [predictions / f"{both[c].iloc[0]}.parquet" for c in ("cell", "cell_real")]
                test["low"], test["high"] = _interval_over_images(files[0], files[1], partition)
            rows.append({**head, **test, "over": "draws" if len(both) > 1 else "images"})
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p
    return rows


def _interval_over_images(one: Path, other: Path, partition: str) -> tuple[float, float]:
    """95 % interval of the accuracy difference between two classifiers on the same images."""
    tables = (pd.read_parquet(f) for f in (one, other))
    a, b = (t[t["partition"] == partition].reset_index(drop=True) for t in tables)
    right, right_other = (np.asarray(t["predicted"] == t["condition"], np.float64) for t in (a, b))
    difference = right - right_other
    return cluster_interval(lambda rows: float(difference[rows].mean()), list(a["group"]), 1000, 0)


def _overall(r: Results, partition: str) -> pd.DataFrame:
    if not len(r.classifiers):
        return pd.DataFrame(columns=["arm", "augmenter", "scenario", "architecture", "draw", "accuracy", "split"])
    return r.classifiers[(r.classifiers["partition"] == partition) & (r.classifiers["skin_type"] == "all")]


def _mean_std(rows: pd.DataFrame) -> str:
    if not len(rows):
        return ""
    percent = rows["accuracy"].to_numpy(float) * 100
    return f"{percent.mean():.1f}" + (f" ± {percent.std(ddof=1):.1f}" if len(percent) > 1 else "")


def summary(r: Results) -> dict[str, Any]:
    """The few numbers that experiments are compared by: accuracy by arm, mean over draws; FID by augmenter."""
    out: dict[str, Any] = {"accuracy": {}, "images": {}}
    if len(r.classifiers):
        keys = ["scenario", "architecture", "arm", "augmenter", "partition", "skin_type"]
        for row in r.classifiers.groupby(keys, sort=True)["accuracy"].mean().reset_index().to_dict("records"):
            name = "-".join(row[k] for k in keys[:4] if row[k])
            by_type = out["accuracy"].setdefault(name, {}).setdefault(row["partition"], {})
            by_type[row["skin_type"]] = float(row["accuracy"])
    for augmenter, rows in r.images.groupby("augmenter", sort=True) if len(r.images) else ():
        fid = rows["fid"].astype(float).mean()
        share = float(rows["accepted"].sum() / rows["generated"].sum())
        out["images"][str(augmenter)] = {"fid": float(fid), "accepted_share": share}
    if len(r.segmenters):
        keys = ["arm", "augmenter", "partition"]
        for row in r.segmenters.groupby(keys, sort=True)["dice"].mean().reset_index().to_dict("records"):
            name = "-".join(row[k] for k in keys[:2] if row[k])
            out.setdefault("dice", {}).setdefault(name, {})[row["partition"]] = float(row["dice"])
    return out

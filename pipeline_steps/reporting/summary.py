"""The few numbers that experiments are compared by."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipeline_steps.measures.classifiers.table import CLASSIFIERS
from pipeline_steps.measures.images.table import DISTANCES
from pipeline_steps.measures.segmenters.table import SEGMENTERS
from pipeline_steps.reporting.results import Results


def summary(r: Results, minimum: int) -> dict[str, Any]:
    """Means over draws of the measures that belong here: accuracy, Fréchet distance, Dice.

    Beside them stand ``draws`` and ``test_images`` (of one draw, mean over draws). What is measured of a level with
    fewer than ``minimum`` images in a draw is null. Nothing is averaged over scenarios.
    """
    measures = [m.name for m in CLASSIFIERS if m.summary]
    out: dict[str, Any] = {**{name: {} for name in measures}, "draws": {}, "test_images": {}, "images": {}}
    if len(r.classifiers):
        _summarise_classifiers(r.classifiers, measures, minimum, out)
    images = r.images.assign(scenario=r.images["split"].str.rsplit("-", n=1).str[0]) if len(r.images) else r.images
    for (scenario, augmenter), rows in images.groupby(["scenario", "augmenter"], sort=True) if len(images) else ():
        share = float(rows["accepted"].sum() / rows["generated"].sum())
        distances = {m.name: float(rows[m.name].astype(float).mean()) for m in DISTANCES if m.summary}
        named = {"features": ", ".join(sorted(set(rows["features"]))), "accepted_share": share, "draws": len(rows)}
        out["images"][f"{scenario}-{augmenter}"] = distances | named
    if len(r.segmenters):
        segmenters = r.segmenters.assign(scenario=r.segmenters["split"].str.rsplit("-", n=1).str[0])
        keys = ["scenario", "arm", "augmenter", "partition"]
        names = [m.name for m in SEGMENTERS if m.summary]
        for row in segmenters.groupby(keys, sort=True)[names].mean().reset_index().to_dict("records"):
            cell = "-".join(row[k] for k in keys[:3] if row[k])
            for name in names:
                out.setdefault(name, {}).setdefault(cell, {})[row["partition"]] = float(row[name])
    return out


def _summarise_classifiers(
    classifiers: pd.DataFrame, measures: Sequence[str], minimum: int, out: dict[str, Any]
) -> None:
    keys = ["scenario", "architecture", "arm", "augmenter", "partition", "level"]
    counted = {"fewest": ("n", "min"), "draws": ("draw", "nunique")}
    means = {name: (name, "mean") for name in measures}
    for row in classifiers.groupby(keys, sort=True).agg(**means, **counted).reset_index().to_dict("records"):
        cell = "-".join(row[k] for k in keys[:4] if row[k])
        for name in measures:
            by_level = out[name].setdefault(cell, {}).setdefault(row["partition"], {})
            by_level[row["level"]] = float(row[name]) if row["fewest"] >= minimum else None
        out["draws"][cell] = int(row["draws"])
    once = classifiers.drop_duplicates(["split", "partition", "level"])
    for row in once.groupby(["scenario", *keys[4:]])["n"].mean().reset_index().to_dict("records"):
        of_type = out["test_images"].setdefault(row["scenario"], {}).setdefault(row["partition"], {})
        of_type[row["level"]] = round(float(row["n"]), 1)

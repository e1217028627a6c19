"""Arms against real images alone, and what a second seed of those differs by: the noise floor."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.reporting.arms import REAL
from pipeline_steps.reporting.intervals import counts
from pipeline_steps.reporting.measures import BOARD_CLASSIFIERS, MINORITY
from pipeline_steps.reporting.results import Results
from pipeline_steps.reporting.study import Study, correction_share
from pipeline_steps.stage.errors import DataError
from pipeline_steps.statistics.cluster_intervals import cluster_interval
from pipeline_steps.statistics.draws import corrected_paired_test

BLOCK = ["scenario", "architecture", "draw"]


def contenders(r: Results, partition: str, minority: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The leaderboard's measures by arm (``arm``, or ``arm of augmenter``).

    A row a block of scenario, architecture and draw. The column ``minority`` is the accuracy over all images of
    the levels in ``minority``, ``minority_images`` how many those are.
    """
    rows = r.classifiers[r.classifiers["partition"] == partition] if len(r.classifiers) else r.classifiers
    found: dict[str, pd.DataFrame] = {}
    if not len(rows):
        return found
    names = [m.name for m in BOARD_CLASSIFIERS if m is not MINORITY]
    for (arm, augmenter), mine in rows.groupby(["arm", "augmenter"], sort=False):
        whole = mine[mine["level"] == "all"].set_index(BLOCK)[names]
        few = mine[mine["level"].isin(minority)]
        right = (few["accuracy"] * few["n"]).round().groupby([few[b] for b in BLOCK]).sum()  # metrics have six digits
        images = few["n"].groupby([few[b] for b in BLOCK]).sum()
        name = f"{arm} of {augmenter}" if augmenter else str(arm)
        shares = {MINORITY.name: MINORITY.of({"right": right, "all": images}), "minority_images": images}
        found[name] = whole.assign(**shares).sort_index()
    return found


def floor_differences(
    scores: Mapping[str, pd.DataFrame], floors: Mapping[str, str], measure: str
) -> list[dict[str, Any]]:
    """What each of ``floors`` differs from the arm that it repeats by, a row a scenario.

    The mean, and the largest by size, over the ``blocks`` of architecture and draw that both have.
    """
    rows: list[dict[str, Any]] = []
    for arm, repeated in floors.items():
        if arm not in scores or repeated not in scores:
            continue
        difference = (scores[arm][measure] - scores[repeated][measure]).dropna()
        for scenario, d in difference.groupby(level="scenario"):
            head = {"scenario": scenario, "arm": arm, "repeats": repeated}
            rows.append({**head, "mean": float(d.mean()), "largest": float(d.abs().max()), "blocks": len(d)})
    return rows


def paired_tests(r: Results, partition: str, study: Study, predictions: Path) -> list[dict[str, Any]]:
    """Each arm against ``real`` on the same test images; arms that repeat a baseline are not among them.

    Several draws: paired over draws, corrected for their overlap by the scenario's own share. The interval is about
    other draws; that test images are a sample, too, is in it only as far as draws redraw them. One draw: an interval
    over test images (whole groups resampled once for both classifiers), and no p: it says nothing about other training
    images, other generated images or another seed.
    """
    whole = r.classifiers
    if len(whole):
        whole = whole[(whole["partition"] == partition) & (whole["level"] == "all")]
        whole = whole[~whole["arm"].isin(list(study.floors))]
    rows: list[dict[str, Any]] = []
    for (scenario, architecture), same in whole.groupby(["scenario", "architecture"]) if len(whole) else ():
        real = same[same["arm"] == REAL].set_index("draw")[["accuracy", "cell"]]
        for (arm, augmenter), other in same[same["arm"] != REAL].groupby(["arm", "augmenter"]):
            both = other.set_index("draw")[["accuracy", "cell", "n"]].join(real.add_suffix("_real"), how="inner")
            if not len(both):
                continue
            head = {"scenario": scenario, "architecture": architecture, "arm": arm, "augmenter": augmenter}
            difference = (both["accuracy"] - both["accuracy_real"]).to_numpy(np.float64)
            share = correction_share(study.sizes, str(scenario), partition, both.index)
            test: dict[str, Any] = corrected_paired_test(difference, share)
            if len(both) == 1:
                files = [predictions / f"{both[c].iloc[0]}.parquet" for c in ("cell", "cell_real")]
                test["low"], test["high"] = _interval_over_images(files[0], files[1], partition, study.evaluation)
            over = "draws" if len(both) > 1 else "images"
            rows.append({**head, **test, "partition": partition, "over": over, "images": counts(both["n"])})
    return rows


def _interval_over_images(one: Path, other: Path, partition: str, params: EvaluationParams) -> tuple[float, float]:
    """95 % interval of the accuracy difference between two classifiers, image by image.

    Raises:
        DataError: the two were not tested on the same images.
    """
    tables = (pd.read_parquet(f) for f in (one, other))
    a, b = (t[t["partition"] == partition].set_index("image_id") for t in tables)
    if set(a.index) != set(b.index):
        raise DataError(f"{one} and {other} hold other images of {partition}; run their evaluate stages again")
    right, right_other = ((t["predicted"] == t["condition"]).astype(float) for t in (a, b.loc[a.index]))
    difference = (right - right_other).to_numpy()
    return cluster_interval(
        lambda rows: float(difference[rows].mean()), list(a["group"]), params.bootstrap_draws, params.seed
    )

"""The papers' tables with ours beside them, row by row."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.reporting.arms import in_order
from pipeline_steps.reporting.intervals import counts
from pipeline_steps.reporting.paper import ABLATION, TABLE_2, paper_family
from pipeline_steps.reporting.results import Results


def table_2(r: Results, partition: str, *, papers: bool) -> list[dict[str, Any]]:
    """The paper's Table 2: scenario x architecture, accuracy in percent over all images of ``partition``, by arm.

    Its own figures stand beside where they are about the same study (``papers``).

    Mean ± standard deviation over draws, and their number. A row an augmenter; where there is none, a row without.
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
        known = TABLE_2.get(str(scenario), {}) if papers and partition == "test" else {}
        paper = known.get(paper_family(str(architecture)))
        if any(ours.values()):
            row = {"scenario": scenario, "architecture": architecture, "augmenter": augmenter, "ours": ours}
            row["images"] = counts(same["n"])
            rows.append({**row, "paper": dict(zip(("real", "syn", "real_syn"), paper, strict=True)) if paper else {}})
    return rows


def ablation(r: Results, *, papers: bool) -> list[dict[str, Any]]:
    """The paper's ablation: classifiers on synthetic images alone, accuracy on the majority's and the minority's tests.

    Its own figures stand beside where they are about the same study (``papers``).
    A row a strategy, scenario and architecture; of a strategy that no classifier learned from, one a scenario.
    """
    if not len(r.images):
        return []
    images = r.images.assign(scenario=r.images["split"].str.rsplit("-", n=1).str[0])
    syn = r.classifiers[r.classifiers["arm"] == "syn"] if len(r.classifiers) else r.classifiers
    rows = []
    for (strategy, scenario), made in images.groupby(["augmenter", "scenario"], sort=False):
        mine = syn[(syn["augmenter"] == strategy) & (syn["scenario"] == scenario)] if len(syn) else syn
        known = made["frechet_distance"].astype(float).dropna()
        distance = f"{known.mean():.3f} ({_draws(len(known))})" if len(known) else ""
        paper = ABLATION.get(str(strategy)) if papers else None
        head = {"strategy": strategy, "scenario": scenario, "frechet_distance": distance, "paper": paper}
        for architecture in sorted(set(mine["architecture"])) if len(mine) else [""]:
            ours = dict.fromkeys(("test_light", "test", "holdout"), "")
            if architecture:
                same = mine[(mine["architecture"] == architecture) & (mine["level"] == "all")]
                ours = {p: _mean_std(same[same["partition"] == p]) for p in ours}
            rows.append({**head, "architecture": architecture, "ours": ours})
    return rows


def _overall(r: Results, partition: str) -> pd.DataFrame:
    if not len(r.classifiers):
        return pd.DataFrame(columns=["arm", "augmenter", "scenario", "architecture", "draw", "accuracy", "split", "n"])
    return r.classifiers[(r.classifiers["partition"] == partition) & (r.classifiers["level"] == "all")]


def _mean_std(rows: pd.DataFrame) -> str:
    """Such as ``71.0 ± 2.3 (3 draws)``; no deviation of one draw, or of draws without spread. A row a draw."""
    if not len(rows):
        return ""
    percent = rows["accuracy"].to_numpy(float) * 100
    counted = _draws(len(percent))
    if len(percent) > 1 and np.ptp(percent) > 0:
        return f"{percent.mean():.1f} ± {percent.std(ddof=1):.1f} ({counted})"
    return f"{percent.mean():.1f} ({counted}{', no spread' if len(percent) > 1 else ''})"


def _draws(count: int) -> str:
    return f"{count} draw{'s' if count > 1 else ''}"

"""The methods head to head: a row an arm of an augmenter, against the best baseline that needs no generative model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from pipeline_steps.reporting.results import Results
from pipeline_steps.vision.scores import corrected_paired_test, holm

BASELINES = ("real", "real_repeated", "classic")  # arms that train on real images alone
_BLOCK = ["scenario", "architecture", "draw"]
_MEASURES = ("accuracy", "minority", "worst_accuracy", "gap")
_OF_IMAGES = ("fid", "kid", "precision", "recall", "concepts", "rejected", "memorised")
MEASURES = (*_MEASURES, *_OF_IMAGES)


@dataclass(frozen=True)
class Leaderboard:
    """``rows``, best minority accuracy first; the ``baseline`` they are tested against; blocks of the ranking.

    Each of ``MEASURES`` in a row has its 95 % interval over draws beside it (``fid_low``, ``fid_high``), NaN with one.

    ``ranks``: mean rank by minority accuracy of the contenders that took part in all blocks, and the least difference
    of mean ranks that a Nemenyi test at 5 % tells apart (Demšar 2006, section 3.2.2); empty with fewer than two blocks.
    """

    rows: list[dict[str, Any]]
    baseline: str
    blocks: int
    ranks: dict[str, float]
    critical_difference: float


def leaderboard(
    r: Results, partition: str, minority: Sequence[int], test_share: float, model_free: Sequence[str] = ()
) -> Leaderboard | None:
    """Compare all contenders on ``partition``; None where there is nothing to compare.

    Baselines are the arms of real images alone, and all arms of the augmenters in ``model_free``.
    """
    scores = contenders(r, partition, minority)
    baselines = [name for name in scores if name in BASELINES or name.partition(" of ")[2] in model_free]
    if not baselines or len(baselines) == len(scores):
        return None
    best = max(baselines, key=lambda name: float(scores[name]["minority"].mean()))
    rows = [_row(name, scores[name], scores[best], test_share) for name in scores]
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p
    rows = [row | _of_images(r.images, row["augmenter"], test_share) for row in rows]
    most = max(len(table) for table in scores.values())
    whole = {name: table["minority"] for name, table in scores.items() if len(table) == most}
    shared = pd.concat(whole, axis=1, join="inner")
    ranks, difference = mean_ranks(shared.to_numpy())
    names = dict(zip(shared.columns, ranks, strict=True)) if len(ranks) else {}
    rows.sort(key=lambda row: -row["minority"])
    return Leaderboard(rows, best, len(shared), names, difference)


def contenders(r: Results, partition: str, minority: Sequence[int]) -> dict[str, pd.DataFrame]:
    """Scores by contender (``arm``, or ``arm of augmenter``): a row a block of scenario, architecture and draw."""
    rows = r.classifiers[r.classifiers["partition"] == partition] if len(r.classifiers) else r.classifiers
    found: dict[str, pd.DataFrame] = {}
    if not len(rows):
        return found
    for (arm, augmenter), mine in rows.groupby(["arm", "augmenter"], sort=False):
        whole = mine[mine["skin_type"] == "all"].set_index(_BLOCK)[["accuracy", "worst_accuracy", "gap"]]
        few = mine[mine["skin_type"].isin([str(t) for t in minority])]
        right = (few["accuracy"] * few["n"]).groupby([few[b] for b in _BLOCK]).sum()
        share = right / few["n"].groupby([few[b] for b in _BLOCK]).sum()
        name = f"{arm} of {augmenter}" if augmenter and arm != "real_repeated" else str(arm)
        # real_repeated is one baseline whatever augmenter's count it repeats to: the first stands for all
        found.setdefault(name, whole.assign(minority=share).sort_index())
    return found


def _row(name: str, mine: pd.DataFrame, best: pd.DataFrame, test_share: float) -> dict[str, Any]:
    """Scores with their intervals, and the difference of minority accuracy to the best baseline, paired over draws."""
    arm, _, augmenter = name.partition(" of ")
    measured = {k: v for m in _MEASURES for k, v in _over_draws(mine[m].groupby(level="draw").mean(), m, test_share)}
    difference = (mine["minority"] - best["minority"]).dropna().groupby(level="draw").mean()
    test = corrected_paired_test(difference.to_numpy(np.float64), test_share) if len(difference) else {}
    nothing = {"mean": float("nan"), "low": float("nan"), "high": float("nan"), "p": float("nan"), "draws": 0}
    return {"name": name, "arm": arm, "augmenter": augmenter, **measured, **nothing, **test, "blocks": len(mine)}


def _over_draws(values: pd.Series, measure: str, test_share: float) -> Iterator[tuple[str, float]]:
    """Mean of a value a draw, and its interval."""
    known = values.dropna().to_numpy(np.float64)
    if len(known):
        found = corrected_paired_test(known, test_share)
        yield from ((measure, found["mean"]), (f"{measure}_low", found["low"]), (f"{measure}_high", found["high"]))


def _of_images(images: pd.DataFrame, augmenter: str, test_share: float) -> dict[str, float]:
    """FID and the like of an augmenter, and the shares of its images that were rejected."""
    mine = images[images["augmenter"] == augmenter] if len(images) else images
    if not len(mine):
        return {}
    mine = mine.assign(
        rejected=1 - mine["accepted"] / mine["generated"],
        memorised=mine["rejected_memorised"] / mine["generated"],
        draw=mine["split"].str.rsplit("-", n=1).str[1],
    )
    by_draw = mine.set_index("draw")[list(_OF_IMAGES)].astype(float).groupby(level="draw").mean()
    return {k: v for m in _OF_IMAGES for k, v in _over_draws(by_draw[m], m, test_share)}


def mean_ranks(scores: npt.NDArray[np.float64]) -> tuple[list[float], float]:
    """Mean rank (1 is best) of each column of ``scores`` (blocks, contenders), and Nemenyi's difference at 5 %.

    Nothing with fewer than two blocks or contenders.
    """
    blocks, count = scores.shape
    if blocks < 2 or count < 2:
        return [], float("nan")
    ranks = stats.rankdata(-scores, axis=1).mean(axis=0)
    q = float(stats.studentized_range.ppf(0.95, count, np.inf)) / np.sqrt(2)
    return [float(rank) for rank in ranks], float(q * np.sqrt(count * (count + 1) / (6 * blocks)))

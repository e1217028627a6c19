"""The methods head to head: a row an arm of an augmenter, against the best baseline that needs no generative model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.measures.images.table import COUNTED
from pipeline_steps.reporting.comparisons import contenders, floor_differences
from pipeline_steps.reporting.intervals import counts
from pipeline_steps.reporting.measures import BOARD_CLASSIFIERS, BOARD_IMAGES
from pipeline_steps.reporting.results import Results
from pipeline_steps.reporting.study import Study, correction_share
from pipeline_steps.statistics.draws import corrected_paired_test

Share = Callable[[Iterable[int]], float]  # of the correction, by draws


@dataclass(frozen=True)
class Leaderboard:
    """One scenario on one partition: scenarios differ in what is trained on, so nothing is averaged over them.

    ``rows``, best minority accuracy first. Each of ``BOARD_CLASSIFIERS`` has its 95 % interval over draws beside it
    (``gap_low``, ``gap_high``), and each contender that is no baseline the difference of its minority accuracy to that
    of ``baseline``, paired over draws, with p. Each of ``BOARD_IMAGES`` has its lowest and highest draw
    (``recall_least``, ``recall_most``) and their number, and no interval: the correction is derived for mean errors
    over test images of random splits. A Fréchet distance is no such mean, and here each draw's generator is measured
    against its own small reference set, while the generators' training images are nearly the same in all draws.

    ``floors``: what a second seed differs by. ``ranks``: mean rank by minority accuracy of the arms that took part in
    all ``blocks``, and the least difference of mean ranks that a Nemenyi test at 5 % tells apart (Demšar 2006, section
    3.2.2); empty with fewer than two blocks.
    """

    partition: str
    scenario: str
    rows: list[dict[str, Any]]
    baseline: str
    floors: list[dict[str, Any]]
    images: str
    blocks: int
    ranks: dict[str, float]
    critical_difference: float


def leaderboard(r: Results, partition: str, scenario: str, study: Study) -> Leaderboard | None:
    """Compare all contenders of ``scenario`` on ``partition``; None where there is nothing to compare."""
    tables = contenders(r, partition, study.minority_levels)
    here = {n: t[t.index.get_level_values("scenario") == scenario] for n, t in tables.items()}
    floors = floor_differences(here, study.floors, "minority")
    scores = {n: t for n, t in here.items() if len(t) and n not in study.floors}
    bars = [n for n in scores if n in study.baselines or n.partition(" of ")[2] in study.model_free]
    if not bars or len(bars) == len(scores):
        return None
    best = best_baseline(scores, bars)
    share = partial(correction_share, study.sizes, scenario, partition)
    rows: list[dict[str, Any]] = [
        {"name": n, "arm": n.partition(" of ")[0], "augmenter": n.partition(" of ")[2], "baseline": n in bars}
        | _measured(scores[n], share)
        | _against(scores[n], scores[best], share, tested=n not in bars)
        | _of_images(r.images, scenario, n.partition(" of ")[2])
        for n in scores
    ]
    rows.sort(key=lambda row: -row["minority"])
    most = max(len(table) for table in scores.values())
    whole = {name: table["minority"] for name, table in scores.items() if len(table) == most}
    shared = pd.concat(whole, axis=1, join="inner")
    ranks, difference = mean_ranks(shared.to_numpy())
    names = dict(zip(shared.columns, ranks, strict=True)) if len(ranks) else {}
    images = counts(n for table in scores.values() for n in table["minority_images"])
    return Leaderboard(partition, scenario, rows, best, floors, images, len(shared), names, difference)


def best_baseline(scores: Mapping[str, pd.DataFrame], baselines: Sequence[str]) -> str:
    """The baseline of the highest minority accuracy, among those of the most blocks.

    It is chosen on the very test images that it is the bar on, so what it got there flatters it a little: a gain over
    it is understated, and a loss against it overstated. Validation images could not choose it: they are split off
    training, which may hold nothing of the minority.
    """
    most = max(len(scores[b]) for b in baselines)
    return max((b for b in baselines if len(scores[b]) == most), key=lambda b: float(scores[b]["minority"].mean()))


def _measured(mine: pd.DataFrame, share: Share) -> dict[str, float]:
    """Measures of classifiers, mean over architectures, then over draws; NaN where one of them has none."""
    found: dict[str, float] = {}
    for m in (measure.name for measure in BOARD_CLASSIFIERS):
        by_draw = mine[m].groupby(level="draw").mean().where(mine[m].notna().groupby(level="draw").all())
        test = corrected_paired_test(by_draw.to_numpy(np.float64), share(by_draw.index))
        found |= {m: test["mean"], f"{m}_low": test["low"], f"{m}_high": test["high"]}
    return found


def _against(mine: pd.DataFrame, best: pd.DataFrame, share: Share, *, tested: bool) -> dict[str, float]:
    """The difference of minority accuracy to the best baseline, over the blocks that both have.

    Of another baseline, whose place below the best is how that was chosen, the mean alone.
    """
    difference = (mine["minority"] - best["minority"]).dropna().groupby(level="draw").mean()
    unknown = float("nan")
    nothing = {"mean": unknown, "low": unknown, "high": unknown, "p": unknown, "draws": 0}
    if not len(difference):
        return nothing
    found = corrected_paired_test(difference.to_numpy(np.float64), share(difference.index))
    return found if tested else nothing | {"mean": found["mean"], "draws": found["draws"]}


def _of_images(images: pd.DataFrame, scenario: str, augmenter: str) -> dict[str, float]:
    """Mean, lowest and highest draw of each of ``BOARD_IMAGES``."""
    if not len(images):
        return {}
    mine = images[(images["augmenter"] == augmenter) & (images["split"].str.rsplit("-", n=1).str[0] == scenario)]
    mine = mine.assign(**{m.name: m.of(mine) for m in COUNTED})
    found: dict[str, float] = {}
    for m in (measure.name for measure in BOARD_IMAGES):
        known = mine[m].astype(float).dropna()
        if len(known):
            ends = {f"{m}_least": float(known.min()), f"{m}_most": float(known.max()), f"{m}_draws": len(known)}
            found |= {m: float(known.mean()), **ends}
    return found


def mean_ranks(scores: npt.NDArray[np.float64]) -> tuple[list[float], float]:
    """Mean rank (1 is best) of each column of ``scores`` (blocks, contenders), and Nemenyi's difference at 5 %.

    Nothing with fewer than two blocks or contenders.
    """
    blocks, count = scores.shape
    if blocks < 2 or count < 2:
        return [], float("nan")
    from scipy import stats  # late: it takes seconds to import, and most reports have one block

    ranks = stats.rankdata(-scores, axis=1).mean(axis=0)
    q = float(stats.studentized_range.ppf(0.95, count, np.inf)) / np.sqrt(2)
    return [float(rank) for rank in ranks], float(q * np.sqrt(count * (count + 1) / (6 * blocks)))

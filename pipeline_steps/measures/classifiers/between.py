"""Measures that compare levels with each other: the worst, the gap, and how far their odds differ."""

from typing import Any

import pandas as pd

from pipeline_steps.measures.classifiers.overall import OfClassifier
from pipeline_steps.measures.classifiers.predictions import Predictions


def compared_accuracy(p: Predictions) -> pd.Series:
    """Accuracy of each level of ``minimum`` images or more. Of fewer, no worst and no gap may come."""
    right = pd.Series(p.correct, index=p.level.index).groupby(p.level).agg(["mean", "size"])
    return right["mean"][right["size"] >= p.minimum]


def worst_level(p: Predictions) -> str | None:
    """The level of the lowest accuracy; None where fewer than two are left to compare."""
    found = compared_accuracy(p)
    return str(found.idxmin()) if len(found) > 1 else None


def worst_accuracy(p: Predictions) -> float:
    """Accuracy of the worst level; NaN where fewer than two are left to compare."""
    found = compared_accuracy(p)
    return float(found.min()) if len(found) > 1 else float("nan")


def gap(p: Predictions) -> float:
    """Accuracy of the best level minus that of the worst; NaN where fewer than two are left to compare."""
    found = compared_accuracy(p)
    return float(found.max() - found.min()) if len(found) > 1 else float("nan")


def compared_classes(p: Predictions) -> dict[Any, pd.Index]:
    """Classes whose odds are compared, and between which levels.

    A rate is taken of ``minimum`` images or more: a class is compared between the levels that have as many of it and of
    the others, and left out where those are fewer than two.
    """
    found: dict[Any, pd.Index] = {}
    for c in sorted(set(p.truth)):
        count = (p.truth == c).groupby(p.level).agg(["sum", "size"])
        kept = count.index[(count["sum"] >= p.minimum) & (count["size"] - count["sum"] >= p.minimum)]
        found |= {c: kept} if len(kept) > 1 else {}
    return found


def equal_opportunity_difference(p: Predictions) -> float:
    """How far recall differs (Hardt et al. 2016, definition 2.2): see ``_worst_difference``."""
    from fairlearn.metrics import equal_opportunity_difference as difference  # late, as in overall.py

    return _worst_difference(p, difference)


def equalized_odds_difference(p: Predictions) -> float:
    """How far recall or the false-positive rate differs, whichever does more (definition 2.1)."""
    from fairlearn.metrics import equalized_odds_difference as difference

    return _worst_difference(p, difference)


def _worst_difference(p: Predictions, difference: Any) -> float:
    """Fairlearn's ``difference`` between the highest and the lowest level: the worst over classes, against the rest.

    NaN where no class is left.
    """
    found = []
    for c, kept in compared_classes(p).items():
        rows = p.level.isin(kept)
        of = {"y_true": (p.truth[rows] == c).astype(int), "y_pred": (p.predicted[rows] == c).astype(int)}
        found.append(float(difference(**of, sensitive_features=p.level[rows])))
    return max(found, default=float("nan"))


WORST_ACCURACY = OfClassifier(
    "worst_accuracy",
    "worst level",
    worst_accuracy,
    (0, 1),
    "higher",
    leaderboard=True,
    compared="worst",
    between_levels=True,
)
GAP = OfClassifier(
    "gap", "gap", gap, (0, 1), "lower", unit="points", leaderboard=True, compared="gap", between_levels=True
)
EQUAL_OPPORTUNITY = OfClassifier(
    "equal_opportunity_difference",
    "equal-opportunity difference",
    equal_opportunity_difference,
    (0, 1),
    "lower",
    unit="points",
    between_levels=True,
)
EQUALIZED_ODDS = OfClassifier(
    "equalized_odds_difference",
    "equalized-odds difference",
    equalized_odds_difference,
    (0, 1),
    "lower",
    unit="points",
    between_levels=True,
)

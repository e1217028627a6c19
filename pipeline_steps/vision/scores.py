"""Scores of classifiers, per skin type."""

from typing import Any

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, equal_opportunity_difference, equalized_odds_difference
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score


def classification_scores(truth: pd.Series, probabilities: pd.DataFrame) -> dict[str, float]:
    """Accuracy, macro precision, recall and F1 over the classes that occur, and one-vs-rest AUC where defined."""
    predicted = probabilities.idxmax(axis=1)
    present = sorted(set(truth))
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, labels=present, average="macro", zero_division=0
    )
    return {
        "n": len(truth),
        "accuracy": float(accuracy_score(truth, predicted)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "auc": _auc(truth, probabilities, present),
    }


def _auc(truth: pd.Series, probabilities: pd.DataFrame, present: list[str]) -> float:
    if len(present) < 2:
        return float("nan")
    one_vs_rest = [roc_auc_score(truth == c, probabilities[c]) for c in present]
    return float(np.mean(one_vs_rest))


def scores_by_type(truth: pd.Series, predicted: pd.Series, skin_type: pd.Series, minimum: int) -> dict[str, Any]:
    """Accuracy of each skin type, the worst, the gap between best and worst, and how far the types' odds differ.

    Types with fewer than ``minimum`` images have an accuracy and an ``n``, but are not ``compared``: no worst, gap or
    odds come from them. NaN (and None as the worst type) where fewer than two types are left to compare.
    """
    frame = MetricFrame(metrics=accuracy_score, y_true=truth, y_pred=predicted, sensitive_features=skin_type)
    n = skin_type.value_counts().sort_index()
    enough = frame.by_group[n.index[n >= minimum]].astype(float)
    several = len(enough) > 1
    return {
        "accuracy": {str(t): float(a) for t, a in frame.by_group.items()},
        "n": {str(t): int(k) for t, k in n.items()},
        "compared": [str(t) for t in enough.index],
        "worst_type": str(enough.idxmin()) if several else None,
        "worst_accuracy": float(enough.min()) if several else float("nan"),
        "gap": float(enough.max() - enough.min()) if several else float("nan"),
        **odds_differences(truth, predicted, skin_type, minimum),
    }


def odds_differences(truth: pd.Series, predicted: pd.Series, skin_type: pd.Series, minimum: int) -> dict[str, Any]:
    """Fairlearn's equal-opportunity and equalized-odds differences, the worst over classes (each against the rest).

    Equal opportunity compares recall (Hardt et al. 2016, definition 2.2), equalized odds recall and false-positive rate
    (definition 2.1): the difference of a class is that between the highest and the lowest type, of equalized odds the
    larger one of the two. A rate is taken of ``minimum`` images or more: a class is compared between the types that
    have as many of it and of the others, and left out where those are fewer than two. NaN where no class is left;
    ``classes_compared`` are those that were.
    """
    found: dict[str, tuple[float, float]] = {}
    for c in sorted(set(truth)):
        count = (truth == c).groupby(skin_type).agg(["sum", "size"])
        kept = count.index[(count["sum"] >= minimum) & (count["size"] - count["sum"] >= minimum)]
        if len(kept) > 1:
            rows = skin_type.isin(kept)
            of = {"y_true": (truth[rows] == c).astype(int), "y_pred": (predicted[rows] == c).astype(int)}
            differences = (
                measure(**of, sensitive_features=skin_type[rows])
                for measure in (equal_opportunity_difference, equalized_odds_difference)
            )
            found[str(c)] = tuple(float(d) for d in differences)  # type: ignore[assignment]
    opportunity, odds = zip(*found.values(), strict=True) if found else ([float("nan")],) * 2
    return {
        "equal_opportunity_difference": max(opportunity),
        "equalized_odds_difference": max(odds),
        "classes_compared": list(found),
    }

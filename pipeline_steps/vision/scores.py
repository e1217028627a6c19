"""Scores of classifiers, per skin type; paired tests across draws."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from fairlearn.metrics import MetricFrame
from scipy import stats
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, recall_score, roc_auc_score

Floats = npt.NDArray[np.float64]


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


def scores_by_type(truth: pd.Series, predicted: pd.Series, skin_type: pd.Series) -> dict[str, Any]:
    """Accuracy of each skin type, the worst, the gap, and the equalised-odds gap.

    The equalised-odds gap of several classes is the largest difference between types in any class's recall
    (Hardt et al. 2016, definition 2.1, class against rest; recall side).
    """
    frame = MetricFrame(metrics=accuracy_score, y_true=truth, y_pred=predicted, sensitive_features=skin_type)
    gaps = [
        MetricFrame(
            metrics=lambda t, p: recall_score(t, p, zero_division=0),
            y_true=truth == c,
            y_pred=predicted == c,
            sensitive_features=skin_type,
        ).difference()
        for c in sorted(set(truth))
        if all(((truth == c) & (skin_type == t)).any() for t in set(skin_type))
    ]
    return {
        "accuracy": {str(t): float(a) for t, a in frame.by_group.items()},
        "n": {str(t): int(n) for t, n in skin_type.value_counts().sort_index().items()},
        "worst_type": str(frame.by_group.idxmin()),
        "worst_accuracy": float(frame.group_min()),
        "gap": float(frame.difference()),
        "equalised_odds_gap": float(max(gaps)) if gaps else float("nan"),
    }


def corrected_paired_test(differences: Floats, test_share: float) -> dict[str, float]:
    """Mean, 95 % interval and p of paired differences over overlapping draws (Nadeau and Bengio 2003, eq. 9).

    The variance is multiplied by 1/J + n_test/n_train in place of 1/J; ``test_share`` is n_test / n_train.
    With fewer than two draws there is no interval and p is NaN.
    """
    j, mean = len(differences), float(np.mean(differences))
    if j < 2:
        return {"mean": mean, "low": float("nan"), "high": float("nan"), "p": float("nan"), "draws": j}
    error = float(np.sqrt((1 / j + test_share) * np.var(differences, ddof=1)))
    half = float(stats.t.ppf(0.975, j - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, j - 1)) if error > 0 else float(mean == 0)
    return {"mean": mean, "low": mean - half, "high": mean + half, "p": p, "draws": j}


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979); NaN stays NaN and does not count."""
    known = [i for i, p in enumerate(p_values) if not np.isnan(p)]
    adjusted, running = [float("nan")] * len(p_values), 0.0
    for rank, i in enumerate(sorted(known, key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(known) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted

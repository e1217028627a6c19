"""Measures of all images together: accuracy, macro precision, recall and F1, and AUC."""

from collections.abc import Callable
from functools import partial

import numpy as np

from pipeline_steps.measures.classifiers.predictions import Predictions
from pipeline_steps.measures.measure import Measure
from pipeline_steps.statistics.cluster_intervals import share_interval

OfClassifier = Measure[Callable[[Predictions], float]]


def accuracy(p: Predictions) -> float:
    """The share of images that are right."""
    return float(p.correct.mean())


def accuracy_interval(p: Predictions, draws: int, seed: int) -> tuple[float, float]:
    """Of accuracy, resampling whole groups."""
    return share_interval(p.correct, list(p.groups), draws, seed)


def macro(p: Predictions, *, which: int) -> float:
    """Precision (0), recall (1) or F1 (2), averaged over the classes that occur."""
    from sklearn.metrics import precision_recall_fscore_support  # late: the report reads this table, and computes none

    present = sorted(set(p.truth))
    found = precision_recall_fscore_support(p.truth, p.predicted, labels=present, average="macro", zero_division=0)
    return float(found[which])


def auc(p: Predictions) -> float:
    """Area under the curve, each class that occurs against the rest; NaN where there is one class alone."""
    from sklearn.metrics import roc_auc_score

    present = sorted(set(p.truth))
    if len(present) < 2:
        return float("nan")
    return float(np.mean([roc_auc_score(p.truth == c, p.probabilities[c]) for c in present]))


ACCURACY = OfClassifier(
    name="accuracy",
    heading="accuracy, all levels",
    of=accuracy,
    bounds=(0, 1),
    better="higher",
    leaderboard=True,
    summary=True,
    compared="all",
    interval=accuracy_interval,
    each_level=True,
)
PRECISION = OfClassifier("precision", "macro precision", partial(macro, which=0), (0, 1), "higher")
RECALL = OfClassifier("recall", "macro recall", partial(macro, which=1), (0, 1), "higher")
F1 = OfClassifier("f1", "macro F1", partial(macro, which=2), (0, 1), "higher")
AUC = OfClassifier("auc", "AUC", auc, (0, 1), "higher", unit="", digits=3)

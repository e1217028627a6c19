"""Two classifiers on the same test images: whole groups are resampled once for both, as in the report."""

from collections.abc import Callable, Sequence
from math import isnan

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.comparing.values import ALL
from pipeline_steps.parameters.evaluation import EvaluationParams
from pipeline_steps.reporting.measures import MINORITY
from pipeline_steps.statistics.cluster_intervals import NO_INTERVAL, cluster_interval

FEW_GROUPS = 10
_IDENTITY = ["image_id", "sha256", "condition", "level", "group"]
Rights = npt.NDArray[np.bool_]


def same_images(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    """Whether two tables of predictions are of the same images: pixels, condition, level and group included."""
    known = [c for c in _IDENTITY if c in a and c in b]
    old, new = (t[known].astype(str).sort_values("image_id", ignore_index=True) for t in (a, b))
    return old.equals(new)


def paired(
    a: pd.DataFrame, b: pd.DataFrame, quantity: str, minority: Sequence[str], params: EvaluationParams
) -> tuple[tuple[float, float], str]:
    """The 95 % interval of a quantity of ``b`` less that of ``a``, and why there is none.

    ``quantity``: a level, ``all``, ``minority``, or a measure that compares levels. There is none where fewer than ten
    groups hold an image that one has right and the other wrong: a bootstrap of so few is too narrow (four of them,
    all in favour of one side, would count as a difference; McNemar's exact test says p = 0.125).
    """
    b = b.set_index("image_id").loc[a["image_id"]].reset_index()
    level, groups = a["level"].to_numpy(np.str_), a["group"].to_numpy()
    old, new = ((t["predicted"] == t["condition"]).to_numpy(bool) for t in (a, b))
    between = BETWEEN_LEVELS.get(quantity)
    rows = np.ones(len(a), bool) if quantity == ALL or between else np.isin(level, _levels(quantity, minority))
    if len(set(groups[rows & (old != new)])) < FEW_GROUPS:
        return NO_INTERVAL, f"fewer than {FEW_GROUPS} groups changed"
    old, new, level, groups = old[rows], new[rows], level[rows], groups[rows]
    compared = _compared(level, params.minimum_level_images)

    def difference(drawn: npt.NDArray[np.intp]) -> float:
        if between is None:
            return float(new[drawn].mean() - old[drawn].mean())
        return between(new[drawn], level[drawn], compared) - between(old[drawn], level[drawn], compared)

    found = cluster_interval(difference, list(groups), params.bootstrap_draws, params.seed)
    return found, "no interval: a single group, or no spread" if isnan(found[0]) else ""


def _levels(quantity: str, minority: Sequence[str]) -> list[str]:
    return list(minority) if quantity == MINORITY.name else [quantity]


def _compared(level: npt.NDArray[np.str_], minimum: int) -> list[str]:
    names, counts = np.unique(level, return_counts=True)
    return [str(name) for name, n in zip(names, counts, strict=True) if n >= minimum]


def _worst(right: Rights, level: npt.NDArray[np.str_], compared: Sequence[str]) -> float:
    return min(_means(right, level, compared))


def _gap(right: Rights, level: npt.NDArray[np.str_], compared: Sequence[str]) -> float:
    means = _means(right, level, compared)
    return max(means) - min(means)


def _means(right: Rights, level: npt.NDArray[np.str_], compared: Sequence[str]) -> list[float]:
    """Accuracy of each level; of a resample that holds no group of a level, of the others."""
    chosen = (right[level == name] for name in compared)
    return [float(mine.mean()) for mine in chosen if len(mine)]


BETWEEN_LEVELS: dict[str, Callable[[Rights, npt.NDArray[np.str_], Sequence[str]], float]] = {
    "worst_accuracy": _worst,
    "gap": _gap,
}

"""Levels with their intervals: of one draw over its images, of several over draws."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.statistics.draws import corrected_paired_test


def accuracy_points(rows: pd.DataFrame, test_share: float, minimum: int) -> pd.DataFrame:
    """A row an arm of an augmenter and level: accuracy in [0, 1] and its 95 % interval (low, high).

    Beside them ``draws``, the ``fewest`` and ``most`` images of a draw, and ``few``: whether a draw has fewer than
    ``minimum``. ``rows``: classifiers of one scenario, architecture and partition, a row a draw.

    One draw has its own interval, over test images. Several have the corrected one over draws: a mean of the ends of
    their own intervals would not tell how far draws differ, and would not narrow with their number. NaN where nothing
    can be said (draws without spread).
    """
    made = [
        {"arm": arm, "augmenter": augmenter, "level": level, **_point(mine, test_share, minimum)}
        for (arm, augmenter, level), mine in rows.groupby(["arm", "augmenter", "level"])
    ]
    return pd.DataFrame(made)


def _point(mine: pd.DataFrame, test_share: float, minimum: int) -> dict[str, Any]:
    fewest, most = int(mine["n"].min()), int(mine["n"].max())
    counted: dict[str, Any] = {"draws": len(mine), "fewest": fewest, "most": most, "few": fewest < minimum}
    if len(mine) == 1:
        only = mine.iloc[0]
        return counted | {k: float(only[k]) for k in ("accuracy", "low", "high")}
    found = corrected_paired_test(mine["accuracy"].to_numpy(np.float64), test_share)
    low, high = np.clip([found["low"], found["high"]], 0, 1)
    return counted | {"accuracy": found["mean"], "low": float(low), "high": float(high)}


def counts(values: Iterable[float]) -> str:
    """Images a draw: a number, or the fewest and the most, such as ``46-48``."""
    found = sorted({int(v) for v in values})
    return str(found[0]) if len(found) == 1 else f"{found[0]}-{found[-1]}"

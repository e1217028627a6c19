"""Tests over redrawn splits, and their adjustment for how many there are."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats takes seconds to import

Floats = npt.NDArray[np.float64]
_ROUNDING = 3e-6  # metrics are written with six digits, so differences of equal values can be 2e-6 apart


def corrected_paired_test(differences: Floats, test_share: float) -> dict[str, float]:
    """Mean, 95 % interval and p of a measure (or of paired differences of one) over overlapping draws.

    The corrected resampled t-test of Nadeau and Bengio (2003): the variance over J draws is multiplied by
    1/J + n_test/n_train in place of 1/J; ``test_share`` is n_test / n_train. It is made for random splits of one sample
    into training and test images, whose correlation it takes for n_test / (n_test + n_train): right if the error hung
    on the number of training images alone, else a guess, for no estimate from the splits themselves is unbiased.
    (Bouckaert and Frank 2004 tried it on random splits and repeated cross-validation of benchmark data.) Draws here
    are flexible subsets, whose training and test images overlap otherwise, so it is a heuristic.

    NaN where nothing can be said: no interval and no p of fewer than two draws, or of draws without spread.
    """
    j, mean, unknown = len(differences), float(np.mean(differences)), float("nan")
    if j < 2 or np.ptp(differences) <= _ROUNDING:
        return {"mean": mean, "low": unknown, "high": unknown, "p": unknown, "draws": j}
    error = float(np.sqrt((1 / j + test_share) * np.var(differences, ddof=1)))
    half = float(stdtrit(j - 1, 0.975)) * error
    p = float(2 * stdtr(j - 1, -abs(mean) / error))
    return {"mean": mean, "low": mean - half, "high": mean + half, "p": p, "draws": j}


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979); NaN stays NaN and does not count."""
    known = [i for i, p in enumerate(p_values) if not np.isnan(p)]
    adjusted, running = [float("nan")] * len(p_values), 0.0
    for rank, i in enumerate(sorted(known, key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(known) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted

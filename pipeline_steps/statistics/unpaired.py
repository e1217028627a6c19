"""The difference of two measures from their own intervals, where nothing pairs them."""

from math import hypot, isnan

NO_INTERVAL = (float("nan"), float("nan"))
Estimate = tuple[float, float, float]  # value, low, high


def difference_interval(one: Estimate, other: Estimate) -> tuple[float, float]:
    """An interval of ``other`` less ``one``, each with its own interval of the same level (square and add).

    Newcombe 1998 (Statistics in Medicine 17, method 10) for shares; Zou and Donner 2008 for any two estimates. It takes
    the two for independent. Of the same test images they go up and down together, so there it is too wide, not too
    narrow. NaN twice where one of them has no interval.
    """
    (a, a_low, a_high), (b, b_low, b_high) = one, other
    if any(map(isnan, (*one, *other))):
        return NO_INTERVAL
    return b - a - hypot(b - b_low, a_high - a), b - a + hypot(b_high - b, a - a_low)

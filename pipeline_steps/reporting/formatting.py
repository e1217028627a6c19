"""Numbers as pages print them: rounded, shares in percent, empty where nothing can be said."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline_steps.measures.measure import Measure
from pipeline_steps.reporting.arms import arm_name
from pipeline_steps.reporting.blocks import Measured
from pipeline_steps.reporting.measures import BOARD_CLASSIFIERS, ends

NO_SPREAD = "no spread between draws"


def number(value: Any, digits: int = 3) -> str:
    """``value`` rounded, "" where there is none."""
    return "" if value is None or pd.isna(value) else f"{value:.{digits}f}"


def points(difference: Any) -> str:
    """A difference of shares with its sign, in points; "" where there is none."""
    return "" if pd.isna(difference) else f"{difference * 100:+.1f}"


def formatted(measure: Measure[Any], value: Any, digits: int | None = None) -> str:
    """A value of ``measure`` in its unit, to its digits or to so many; "" where there is none."""
    known = None if value is None or pd.isna(value) else measure.in_unit(value)
    return number(known, measure.digits if digits is None else digits)


def between(low: str, high: str) -> str:
    """Two ends, "" where there are none."""
    return f"{low} to {high}" if low else ""


def row_name(row: Mapping[Any, Any]) -> str:
    """Arm and augmenter of a row in words."""
    return f"{arm_name(row['arm'])}, {row['augmenter']}" if row["augmenter"] else arm_name(row["arm"])


def leaderboard_cell(row: Mapping[str, Any], measure: Measure[Any]) -> Measured:
    """A measure of a leaderboard's row: its value, and beside it its interval, or the lowest and the highest draw."""
    name = measure.name
    value = formatted(measure, row.get(name))
    if measure in BOARD_CLASSIFIERS:
        low, high = (formatted(measure, np.clip(row[f"{name}_{end}"], *measure.bounds)) for end in ("low", "high"))
        return Measured(value, between(low, high))
    if not value or row[f"{name}_draws"] < 2:
        return Measured(value)
    least, most = (row[f"{name}_{end}"] for end in ("least", "most"))
    if least == most:
        return Measured(value, "in all draws")
    return Measured(value, between(formatted(measure, least), formatted(measure, most)))


def with_interval(row: Mapping[Any, Any], measure: Measure[Any], digits: int | None = None) -> Measured:
    """A measure of one augmenter cell and its interval over images; both empty where it could not be taken."""
    value, low, high = (formatted(measure, row[f"{measure.name}{end}"], digits) for end in ("", "_low", "_high"))
    return Measured(value, between(low, high))


def value_or_reason(row: Mapping[Any, Any], measure: Measure[Any], digits: int | None = None) -> str:
    """The same in one line, or why there is none."""
    found = with_interval(row, measure, digits)
    if not found.value:
        return str(row["unavailable"])
    return f"{found.value} ({found.detail})" if found.detail else found.value


def mean_of(rows: pd.DataFrame, measure: Measure[Any]) -> Measured:
    """A measure's mean over classifiers, a row each; of a single one with its interval, if it has one."""
    value = formatted(measure, rows[measure.name].mean(skipna=False))
    if len(rows) > 1 or measure.interval is None:
        return Measured(value)
    low, high = (formatted(measure, rows[end].iloc[0]) for end in ends(measure))
    return Measured(value, between(low, high))

"""What a measure is to those who compute it and to those who print it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
Better = Literal["higher", "lower"]
_ARROWS: dict[Better, str] = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True)
class Measure(Generic[Function]):
    """``name`` is its key in metrics files and its column in tables, and ``of`` computes it.

    ``heading``: what people call it. ``bounds``: the least and the greatest value that it can have, to which intervals
    are cut. ``better``: the direction. ``unit``: ``%`` or ``points`` of a share, which is multiplied by 100 to be
    printed; empty for any other number. ``digits``: how many are printed in the leaderboard.

    ``leaderboard``: whether methods are compared by it; ``summary``: whether it stands in ``metrics/summary.json``;
    ``compared``: its short name among the few numbers in ``metrics/compared``, if it is one of them.

    What the three tables need beside that:

    * ``interval`` (classifiers): computes its interval, if it has one.
    * ``each_level`` (classifiers): whether it is computed for each level apart, too.
    * ``between_levels`` (classifiers): whether it compares levels with each other.
    * ``of_parts`` (images): the same of many parts of the rows at once: intervals ask for hundreds of halves.
    * ``in_inception`` (images): its name in Inception's features. No other network's distances may be called that.
    """

    name: str
    heading: str
    of: Function
    bounds: tuple[float, float]
    better: Better
    unit: str = "%"
    digits: int = 1
    leaderboard: bool = False
    summary: bool = False
    compared: str = ""
    interval: Callable[..., tuple[float, float]] | None = None
    each_level: bool = False
    between_levels: bool = False
    of_parts: Callable[..., Any] | None = None
    in_inception: str = ""

    def in_unit(self, value: float) -> float:
        """``value`` in the unit that is printed."""
        return value * 100 if self.unit else value

    def title(self, heading: str = "") -> str:
        """The heading (or another one) with unit and direction, such as ``gap, points ↓``."""
        unit = f", {self.unit}" if self.unit else ""
        return f"{heading or self.heading}{unit} {_ARROWS[self.better]}"

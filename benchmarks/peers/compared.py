"""Times of the same work done by this project and by a peer, in turn, and how they are told."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

THREADS = 2


@dataclass(frozen=True)
class Compared:
    """Seconds of each repeat, ours and the peer's, which took turns; ``goal``: the ratio that is wanted."""

    what: str
    peer: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    goal: float

    @property
    def ratios(self) -> list[float]:
        """The peer's time over ours, of each repeat."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def reached(self) -> bool:
        """Whether the median of the ratios is the goal or more."""
        return median(self.ratios) >= self.goal

    def row(self) -> list[str]:
        """The row of the page's table."""
        r = self.ratios
        spread = f"{_short(median(r))} ({_short(min(r))} to {_short(max(r))}; {len(r)} repeats)"
        said = "reached" if self.reached else "**not reached**"
        times = [f"{_short(1000 * median(t))} ms" for t in (self.ours, self.theirs)]
        return [self.what, self.peer, self.unit, *times, spread, f"{self.goal:g}", said]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def seconds(work: Callable[[], Any]) -> float:
    """How long ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(repeats: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[list[float], list[float]]:
    """What both measure, one after the other, each first as often as second."""
    found: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats):
        for side in (0, 1) if repeat % 2 == 0 else (1, 0):
            found[side].append((ours, theirs)[side]())
    return found

"""Differences with their intervals, a panel a contender."""

import io
from collections.abc import Sequence

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from pipeline_steps.comparing.comparison import Comparison
from pipeline_steps.comparing.difference import Difference
from pipeline_steps.comparing.words import title

_WIDE = 3  # panels beside each other
_COLOURS = {"higher": "#1b7f79", "lower": "#d95f02"}


def forest(c: Comparison, found: Sequence[Difference]) -> bytes:
    """A PNG: a line a level or measure, grey where the interval does not tell A and B apart."""
    panels: dict[str, list[Difference]] = {}
    for d in found:
        panels.setdefault(title(d.contender), []).append(d)
    rows = max(map(len, panels.values()))
    wide = min(_WIDE, len(panels))
    high = -(-len(panels) // wide)
    size = (3.6 * wide, (0.8 + 0.26 * rows) * high)
    figure, grid = plt.subplots(high, wide, figsize=size, squeeze=False, sharex=True)
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    for axes, (name, mine) in zip(grid.flat, panels.items(), strict=False):
        axes.axvline(0, color="#aaaaaa", lw=0.8, zorder=0)
        for y, d in enumerate(reversed(mine)):
            colour = _COLOURS.get(d.verdict, "#999999")
            axes.plot([d.low * 100, d.high * 100], [y, y], color=colour, lw=1.6)
            axes.plot(d.mean * 100, y, "o", color=colour, ms=4)
        axes.set_yticks(range(len(mine)), [c.named(d) for d in reversed(mine)], fontsize=7)
        axes.set_title(name, fontsize=7)
        axes.set_xlabel("points, B less A", fontsize=7)
        axes.tick_params(axis="x", labelsize=7)
    buffer = io.BytesIO()
    figure.tight_layout()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()

"""Figures of the report as PNG bytes: equal data give equal bytes."""

import io
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from pipeline_steps.reporting.arms import arm_name, in_order
from pipeline_steps.reporting.intervals import counts

_COLOURS = {"real": "#4d4d4d", "syn": "#d95f02", "real_syn": "#1b7f79"}
_FAINT: dict[str, Any] = {"color": "#b0b0b0", "linestyle": ":", "lw": 1.2, "zorder": 1}  # the noise floor
Series = tuple[str, str]  # arm, augmenter


def accuracy_by_level(
    points: pd.DataFrame,
    title: str,
    conditions: int,
    floors: Container[str],
    names: Mapping[str, str],
    noun: str,
) -> bytes:
    """Accuracy by level with 95 % intervals, one line an arm of an augmenter; arms in ``floors`` dotted, without.

    ``points``: what ``accuracy_points`` gives. Levels with few images have hollow dots; ``names``: all levels in
    their order, as people write them, and ``noun``: what a level is. Chance is to guess each of
    so many ``conditions`` equally often, as class-balanced training without a signal would.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.4))
    by_level = points[points["level"] != "all"]
    types = [level for level in names if (by_level["level"] == level).any()]
    found = {key: mine.set_index("level") for key, mine in by_level.groupby(["arm", "augmenter"])}
    arms = in_order(by_level["arm"])
    lines: list[Series] = sorted(found, key=lambda s: (arms.index(s[0]), s[1]))  # type: ignore[arg-type]
    several = len({augmenter for _, augmenter in lines if augmenter}) > 1
    solid = [key for key in lines if key[0] not in floors]
    for key in (key for key in lines if key[0] in floors):
        level = found[key]["accuracy"].reindex(types).to_numpy(float) * 100
        axes.plot(range(len(types)), level, label=arm_name(key[0]), **_FAINT)
    for k, key in enumerate(solid):
        x = np.arange(len(types)) + (k - (len(solid) - 1) / 2) * min(0.12, 0.8 / len(solid))
        label = f"{arm_name(key[0])}, {key[1]}" if several and key[1] else arm_name(key[0])
        _line(axes, x, found[key].reindex(types), _colour(key, solid, several=several), label)
    n = by_level.groupby("level").agg({"fewest": "min", "most": "max"})
    axes.set_xticks(range(len(types)), [f"{names[t]}\nn {counts([n['fewest'][t], n['most'][t]])}" for t in types])
    axes.set(xlabel=f"{noun}, test images", ylabel="accuracy, %", title=title, ylim=(0, 103))
    axes.axhline(100 / conditions, color="#aaaaaa", lw=0.8, zorder=0)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(frameon=False, ncols=2, fontsize=8)
    return _png(figure)


def _line(axes: Axes, x: npt.NDArray[np.floating[Any]], mine: pd.DataFrame, colour: Any, label: str) -> None:
    """Dots, joined; bars where there is an interval; hollow where there are few images."""
    y = mine["accuracy"].to_numpy(float) * 100
    bars = np.abs(mine[["low", "high"]].to_numpy(float).T * 100 - y)
    known = np.isfinite(bars).all(0)
    axes.plot(x, y, "-", color=colour, lw=1.2, label=label)
    axes.errorbar(x[known], y[known], bars[:, known], fmt="none", ecolor=colour, capsize=2, elinewidth=1.2)
    face = ["white" if few else colour for few in mine["few"].eq(True)]
    axes.scatter(x, y, s=30, c=face, edgecolors=[colour], zorder=3)


def _colour(key: Series, solid: list[Series], *, several: bool) -> Any:
    others = [k for k in solid if several or k[0] not in _COLOURS]
    return plt.get_cmap("tab20")(others.index(key) % 20) if key in others else _COLOURS[key[0]]


def dose_response(rows: pd.DataFrame, title: str) -> bytes:
    """Accuracy on the minority by real images of each condition; ``rows``: contender, floor, dose, draw, minority.

    Lines are means over draws, dots the draws; of a noise floor a dotted line.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.4))
    for k, (name, mine) in enumerate(rows.groupby("contender", sort=True)):
        colour = plt.get_cmap("tab10")(k % 10)
        means = mine.groupby("dose")["minority"].mean() * 100
        if mine["floor"].any():
            axes.plot(means.index, means, label=str(name), **_FAINT)
            continue
        axes.plot(means.index, means, "-", color=colour, lw=1.4, label=str(name))
        axes.plot(mine["dose"], mine["minority"] * 100, ".", color=colour, ms=4, alpha=0.6)
    axes.set_xscale("log", base=2)
    doses = sorted(set(rows["dose"]))
    axes.set_xticks(doses, [str(dose) for dose in doses])
    axes.set(xlabel="real training images of each condition (mean)", ylabel="accuracy, %", title=title, ylim=(0, 103))
    axes.grid(axis="y", alpha=0.25)
    axes.legend(frameon=False, ncols=2, fontsize=8)
    return _png(figure)


def training_curves(curves: dict[str, pd.DataFrame]) -> bytes:
    """Small multiples of training histories: first column is the step, the others are curves."""
    columns = min(3, max(1, len(curves)))
    rows = max(1, -(-len(curves) // columns))
    figure, grid = plt.subplots(rows, columns, figsize=(3.4 * columns, 2.1 * rows), squeeze=False)
    for axes in grid.flat[len(curves) :]:
        axes.axis("off")
    for axes, (name, table) in zip(grid.flat, curves.items(), strict=False):
        step = table.columns[0]
        for column in table.columns[1:]:
            known = table[[step, column]].dropna()
            if len(known):
                axes.plot(known[step], known[column], marker=".", ms=3, lw=1, label=column)
        axes.set_title(name, fontsize=7)
        axes.tick_params(labelsize=6)
        axes.legend(frameon=False, fontsize=6)
    return _png(figure)


def critical_difference(ranks: dict[str, float], difference: float) -> bytes:
    """Mean ranks on a line (Demšar 2006, figure 1); bars join those that the test does not tell apart."""
    names = sorted(ranks, key=lambda name: ranks[name])
    figure, axes = plt.subplots(figsize=(7.2, 0.9 + 0.24 * len(names)))
    for row, name in enumerate(names):
        axes.plot([ranks[name]] * 2, [0, -row - 1], color="#999999", lw=0.8)
        axes.text(ranks[name], -row - 1, f" {name} ({ranks[name]:.2f})", va="center", fontsize=8)
        axes.plot(ranks[name], 0, "o", color="#1b7f79", ms=4)
    for level, (first, last) in enumerate(_cliques([ranks[n] for n in names], difference)):
        axes.plot([first - 0.03, last + 0.03], [0.35 + 0.25 * level] * 2, color="#222222", lw=2.5)
    axes.set(xlim=(0.8, len(names) + 0.8), yticks=[], xlabel="mean rank by accuracy on the minority (1 is best)")
    axes.set_title(f"critical difference {difference:.2f}", fontsize=9)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    return _png(figure)


def _cliques(ranks: list[float], difference: float) -> list[tuple[float, float]]:
    """Largest runs of sorted ``ranks`` whose ends are closer than ``difference``."""
    runs = [(low, max(r for r in ranks if r - low <= difference)) for low in ranks]
    longest = {last: min(low for low, end in runs if end == last) for _, last in runs}
    return [(low, last) for last, low in sorted(longest.items()) if low < last]


def montage(rows: list[list[npt.NDArray[np.uint8]]], scale: int) -> bytes:
    """Images (H, W, 3) in rows, enlarged ``scale`` times, on white."""
    side = rows[0][0].shape[0]
    gap, width = 2, max(len(r) for r in rows)
    sheet = np.full(((side + gap) * len(rows), (side + gap) * width, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet[y * (side + gap) : y * (side + gap) + side, x * (side + gap) : x * (side + gap) + side] = image
    picture = Image.fromarray(sheet)
    buffer = io.BytesIO()
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """An image file as (H, W, 3) uint8."""
    return np.asarray(Image.open(path).convert("RGB"))


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.tight_layout()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()

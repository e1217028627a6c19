"""Figures of the report as PNG bytes: equal data give equal bytes."""

import io
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from pipeline_steps.records.skin_types import ROMAN
from pipeline_steps.reporting.arms import in_order, spelled

_COLOURS = {"real": "#4d4d4d", "real_repeated": "#9a9a9a", "syn": "#d95f02", "real_syn": "#1b7f79"}
_OTHER_COLOURS = ("#7570b3", "#e7298a", "#66a61e", "#e6ab02", "#a6761d")  # of arms that the paper has not


def accuracy_by_type(rows: pd.DataFrame, title: str) -> bytes:
    """Accuracy by skin type with 95 % intervals, one line an arm; ``rows`` of one scenario, architecture, partition."""
    types = sorted(t for t in set(rows["skin_type"]) if t != "all")
    figure, axes = plt.subplots(figsize=(7.2, 3.4))
    arms = in_order(set(rows["arm"]))
    others = [a for a in arms if a not in _COLOURS]
    for k, arm in enumerate(arms):
        mine = rows[(rows["arm"] == arm) & (rows["skin_type"] != "all")]
        means = mine.groupby("skin_type")[["accuracy", "low", "high"]].mean().loc[types] * 100
        x = np.arange(len(types)) + (k - (len(arms) - 1) / 2) * 0.12
        errors = np.abs(means[["low", "high"]].to_numpy().T - means["accuracy"].to_numpy())
        colour = _COLOURS.get(arm) or _OTHER_COLOURS[others.index(arm) % len(_OTHER_COLOURS)]
        axes.errorbar(x, means["accuracy"], errors, fmt="o-", color=colour, label=spelled(arm), capsize=2, lw=1.2)
    axes.set_xticks(range(len(types)), [ROMAN[int(t)] for t in types])
    axes.set(xlabel="Fitzpatrick skin type", ylabel="accuracy, %", title=title, ylim=(0, 103))
    axes.axhline(100 / 7, color="#cccccc", lw=0.8, zorder=0)
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

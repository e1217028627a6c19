"""Galleries: real sources beside what was made of them, for every condition and wanted level; and the rejects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.generation.synthetic import read_metadata
from pipeline_steps.records.manifest import Dataset
from pipeline_steps.records.populations import SKIN_TYPE, level_name, noun
from pipeline_steps.reporting.figures import montage, read_image

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sheet:
    """A picture with the words that explain its rows and columns."""

    title: str
    caption: str
    png: bytes


def sheet(
    key: str, dataset: Dataset, folder: Path, screened: Path | None, per_condition: int, column: str = SKIN_TYPE
) -> Sheet:
    """One augmenter cell: a row a condition; for each wanted level, ``per_condition`` pairs of source and result."""
    made = read_metadata(folder)
    accepted = {} if screened is None else pd.read_parquet(screened).set_index("file_name")["accepted"].to_dict()
    types = sorted(set(made["target_level"]))
    original = dataset.manifest.set_index("public_id")["image_id"]
    rows, blank = [], None
    for _, mine in made.groupby("condition", sort=True):
        row: list[Image] = []
        for skin_type in types:
            chosen = mine[mine["target_level"] == skin_type].drop_duplicates("source_id").head(per_condition)
            for source_id, name in zip(chosen["source_id"], chosen["file_name"], strict=True):
                pair = [dataset.images([original[source_id]])[0], read_image(folder / name)]
                blank = np.full_like(pair[0], 255)
                row += [_marked(pair[0], None), _marked(pair[1], accepted.get(name))]
            row += [blank] * (2 * (per_condition - len(chosen))) if blank is not None else []
        rows.append(row)
    conditions = ", ".join(sorted(set(made["condition"])))
    words = f"Rows: {conditions}. Pairs of source and result, for {_in_turn(column, types)}."
    verdicts = "A red corner marks a reject." if screened else "Not screened."
    return Sheet(key, f"{words} {verdicts}", montage(rows, 1 if dataset.side > 100 else 2))


def rejects(key: str, folder: Path, screened: Path, most: int = 16) -> Sheet | None:
    """Some rejected images with their reasons, or None where none was rejected."""
    table = pd.read_parquet(screened)
    bad = table[~table["accepted"]].head(most)
    if not len(bad):
        return None
    reasons = ", ".join(f"{r} ({n})" for r, n in table.loc[~table["accepted"], "reasons"].value_counts().items())
    return Sheet(
        f"{key}: rejects", f"Reasons: {reasons}.", montage([[read_image(folder / f) for f in bad["file_name"]]], 1)
    )


def wall(cells: Sequence[tuple[str, Path]], size: int, column: str = SKIN_TYPE) -> Sheet | None:
    """Augmenters side by side: a row a cell, for each condition one image of each wanted level of ``column``."""
    tables = {key: read_metadata(folder) for key, folder in cells}
    if len(tables) < 2:
        return None
    conditions = sorted(set().union(*(t["condition"] for t in tables.values())))
    types = sorted(set().union(*(t["target_level"] for t in tables.values())))
    blank, rows = np.full((size, size, 3), 255, np.uint8), []
    for key, folder in cells:
        first = tables[key].drop_duplicates(["condition", "target_level"])
        names = dict(zip(zip(first["condition"], first["target_level"], strict=True), first["file_name"], strict=True))
        wanted = [(c, t) for c in conditions for t in types]
        rows.append([read_image(folder / str(names[w])) if w in names else blank for w in wanted])
    columns = f"{', '.join(conditions)}; for each, {_in_turn(column, types)}"
    words = f"Rows: {', '.join(tables)}. Columns: {columns}."
    return Sheet("sample wall", words, montage(rows, 1))


def _in_turn(column: str, levels: Sequence[str]) -> str:
    return f"{noun(column)} {' then '.join(level_name(column, level) for level in levels)}"


def _marked(image: Image, accepted: bool | None) -> Image:
    out = image.copy()
    if accepted is False:
        n = max(3, len(image) // 10)
        out[:n, -n:] = (220, 30, 30)
    return out

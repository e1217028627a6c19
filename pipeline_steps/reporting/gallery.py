"""Galleries: real sources beside what was made of them, for every condition and wanted level; and the rejects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image as Pictures

from pipeline_steps.generation.synthetic import read_metadata
from pipeline_steps.records.manifest import Dataset
from pipeline_steps.records.populations import SKIN_TYPE, in_order, level_name, noun
from pipeline_steps.reporting.figures import montage, read_image

Image = npt.NDArray[np.uint8]
TILE = 128  # pixels of a tile's side at most: what a page shows of an image, whatever its size
_WALL_ROWS = 24  # cells of one wall, so that its memory is bounded


def tile(image: Image) -> Image:
    """An image (H, W, 3), averaged over areas to at most ``TILE`` pixels a side; a smaller one as it is."""
    longer = max(image.shape[:2])
    if longer <= TILE:
        return image
    height, width = (max(1, round(n * TILE / longer)) for n in image.shape[:2])
    return np.asarray(Pictures.fromarray(image).resize((width, height), Pictures.Resampling.BOX))


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
    types = in_order(made["target_level"])
    original = dataset.manifest.set_index("public_id")["image_id"]
    rows, blank = [], None
    for _, mine in made.groupby("condition", sort=True):
        row: list[Image] = []
        for skin_type in types:
            chosen = mine[mine["target_level"] == skin_type].drop_duplicates("source_id").head(per_condition)
            for source_id, name in zip(chosen["source_id"], chosen["file_name"], strict=True):
                pair = [tile(dataset.images([original[source_id]])[0]), tile(read_image(folder / name))]
                blank = np.full_like(pair[0], 255)
                row += [_marked(pair[0], None), _marked(pair[1], accepted.get(name))]
            row += [blank] * (2 * (per_condition - len(chosen))) if blank is not None else []
        rows.append(row)
    conditions = ", ".join(sorted(set(made["condition"])))
    words = f"Rows: {conditions}. Pairs of source and result, for {_in_turn(column, types)}."
    verdicts = "A red corner marks a reject." if screened else "Not screened."
    return Sheet(key, f"{words} {verdicts}", montage(rows, 2 if 2 * dataset.side <= TILE else 1))


def rejects(key: str, folder: Path, screened: Path, most: int = 16) -> Sheet | None:
    """Some rejected images with their reasons, or None where none was rejected."""
    table = pd.read_parquet(screened)
    bad = table[~table["accepted"]].head(most)
    if not len(bad):
        return None
    reasons = ", ".join(f"{r} ({n})" for r, n in table.loc[~table["accepted"], "reasons"].value_counts().items())
    tiles = [tile(read_image(folder / f)) for f in bad["file_name"]]
    return Sheet(f"{key}: rejects", f"Reasons: {reasons}.", montage([tiles], 1))


def walls(cells: Sequence[tuple[str, Path]], size: int, column: str = SKIN_TYPE) -> Iterator[Sheet]:
    """All augmenters' cells on as many walls as they need, about equally long; numbered where there are several."""
    parts = np.array_split(np.arange(len(cells)), max(1, -(-len(cells) // _WALL_ROWS)))
    for number, part in enumerate(parts, start=1):
        if made := wall([cells[k] for k in part], size, column):
            yield replace(made, title=f"{made.title} {number} of {len(parts)}") if len(parts) > 1 else made


def wall(cells: Sequence[tuple[str, Path]], size: int, column: str = SKIN_TYPE) -> Sheet | None:
    """Augmenters side by side: a row a cell, for each condition one image of each wanted level of ``column``."""
    tables = {key: read_metadata(folder) for key, folder in cells}
    if len(tables) < 2:
        return None
    conditions = sorted(set().union(*(t["condition"] for t in tables.values())))
    types = in_order(level for t in tables.values() for level in t["target_level"])
    blank, rows = np.full((min(size, TILE), min(size, TILE), 3), 255, np.uint8), []
    for key, folder in cells:
        first = tables[key].drop_duplicates(["condition", "target_level"])
        names = dict(zip(zip(first["condition"], first["target_level"], strict=True), first["file_name"], strict=True))
        wanted = [(c, t) for c in conditions for t in types]
        rows.append([tile(read_image(folder / str(names[w]))) if w in names else blank for w in wanted])
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

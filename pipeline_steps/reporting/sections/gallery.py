"""Pictures: the wall of all augmenters, then sources beside results, and rejects; files beside the page."""

from collections.abc import Iterator
from pathlib import Path

from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.reporting.blocks import Block, Figure, Heading
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.gallery import Sheet, rejects, sheet, walls
from pipeline_steps.reporting.study import DATASET

SYNTHETIC, SCREENED = Path("data/synthetic"), Path("data/screened")


def gallery(f: Findings) -> Iterator[Block]:
    """A figure a sheet, each drawn when it is asked for: a page of hundreds of cells never holds two."""
    yield Heading("Gallery")
    for sheet_of_it in _sheets(f):
        yield figure(sheet_of_it)


def figure(s: Sheet) -> Figure:
    """A sheet as a block."""
    return Figure(s.title, s.title, f"**{s.title}**. {s.caption}", s.png, linked=True)


def _sheets(f: Findings) -> Iterator[Sheet]:
    dataset = open_dataset(DATASET)
    cells = [(key, SYNTHETIC / key) for key in f.cells["screen"]]
    yield from walls(cells, dataset.side, f.study.column)
    for key in f.cells["generate"]:
        folder = SYNTHETIC / key
        screened = SCREENED / f"{key}.parquet" if key in f.cells["screen"] else None
        yield sheet(key, dataset, folder, screened, f.params.gallery_per_condition, f.study.column)
        if screened and (rejected := rejects(key, folder, screened)):
            yield rejected

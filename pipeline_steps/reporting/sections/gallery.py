"""Pictures: the wall of all augmenters, then sources beside results, and rejects."""

from pathlib import Path

from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.reporting.blocks import Block, Figure, Heading
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.gallery import Sheet, rejects, sheet, wall
from pipeline_steps.reporting.study import DATASET

SYNTHETIC, SCREENED = Path("data/synthetic"), Path("data/screened")


def gallery(f: Findings) -> list[Block]:
    """A figure a sheet."""
    return [Heading("Gallery"), *(figure(s) for s in _sheets(f))]


def figure(s: Sheet) -> Figure:
    """A sheet as a block."""
    return Figure(s.title, s.title, f"**{s.title}**. {s.caption}", s.png)


def _sheets(f: Findings) -> list[Sheet]:
    dataset = open_dataset(DATASET)
    made = []
    for key in f.cells["generate"]:
        folder = SYNTHETIC / key
        screened = SCREENED / f"{key}.parquet" if key in f.cells["screen"] else None
        made.append(sheet(key, dataset, folder, screened, f.params.gallery_per_condition, f.study.column))
        rejected = rejects(key, folder, screened) if screened else None
        made += [rejected] if rejected else []
    whole = wall([(k, SYNTHETIC / k) for k in f.cells["screen"]], dataset.side, f.study.column)
    return [whole, *made] if whole else made

"""Segmenters, and whether generated masks fit their images."""

from collections.abc import Iterable

from pipeline_steps.measures.segmenters.table import SEGMENTERS
from pipeline_steps.reporting.arms import arm_name
from pipeline_steps.reporting.blocks import Block, Cell, Heading, Table, Words, columns
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.formatting import between, formatted, number
from pipeline_steps.reporting.results import mask_agreement
from pipeline_steps.reporting.study import METRICS

_READING = (
    "That segmenter saw real images alone; beside its own Dice on real test images above, this says whether a "
    "generated mask is where its image shows the lesion."
)


def segmentation(f: Findings) -> list[Block]:
    """Nothing where no segmenter was trained."""
    if not len(f.r.segmenters):
        return []
    blocks: list[Block] = [Heading("Segmentation: overlap with real masks"), overlap(f)]
    masks = mask_table(f, "Dice with a real-trained segmenter")
    return [*blocks, Heading("Do generated masks fit their images?"), masks, Words(_READING)] if masks.rows else blocks


def overlap(f: Findings, partitions: Iterable[str] | None = None) -> Table:
    """A row a segmenter and partition, of all partitions or of some."""
    first, *others = SEGMENTERS
    by_level = f"{first.heading} by {f.study.noun}"
    measured = [first.heading, "95 % interval", *(m.heading for m in others), by_level]
    left = ("trained on", "augmenter", "partition", by_level)
    rows: list[list[Cell]] = []
    for row in f.r.segmenters.to_dict("records"):
        if partitions is not None and row["partition"] not in partitions:
            continue
        value, *further = (formatted(m, row[m.name]) for m in SEGMENTERS)
        interval = between(*(formatted(first, row[end]) for end in ("low", "high")))
        named = [arm_name(row["arm"]), row["augmenter"], row["split"], f.study.words[row["partition"]], row["n"]]
        rows.append([*named, value, interval, *further, row["by_level"]])
    head = columns("trained on", "augmenter", "split", "partition", "images", *measured, words=left)
    return Table(head, rows)


def mask_table(f: Findings, heading: str) -> Table:
    """How a segmenter trained on real images sees the generated pairs: Dice with their own masks."""
    found = mask_agreement(dict(f.cells), METRICS)
    rows = [[m["cell"], m["images"], number(m["dice"]), m["unavailable"]] for m in found]
    return Table(columns("cell", "images", heading, "", words=("",)), rows)

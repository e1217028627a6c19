"""Every arm against real images alone, and the noise floor."""

from collections.abc import Mapping
from typing import Any

from pipeline_steps.reporting.arms import arm_name
from pipeline_steps.reporting.blocks import Block, Cell, Heading, Table, Words, columns
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.formatting import NO_SPREAD, between, number, points

_READING = (
    "Over draws: paired, the variance corrected for the draws' overlap (Nadeau and Bengio 2003) by the scenario's own "
    "ratio of test to training images. The correction is made for random splits; draws here are flexible subsets, "
    "which leave most training images the same, in scenarios ii and iii most test images too, and in the holdout all: "
    "so these intervals are a heuristic, rather too narrow there, and say little about other test images. Over images "
    "(one draw): whole groups resampled for both classifiers at once; says nothing about other training images, other "
    "generated images or another seed, and has no p."
)
_FAMILY = (
    "p (Holm): adjusted for {family} tests, all that this page prints: both kinds of tables, all partitions and "
    "scenarios. Baselines, noise floors, single draws and draws without spread are no tests."
)


def against_real(f: Findings) -> list[Block]:
    """Differences with intervals and p."""
    blocks: list[Block] = [Heading("Against real images alone")]
    if f.compared.tests:
        blocks += [_tests(f), *_floors(f), Words(_READING)]
    else:
        blocks.append(Words("Nothing to compare."))
    return [*blocks, Words(_FAMILY.format(family=f.compared.family))] if f.compared.family else blocks


def comparison(row: Mapping[str, Any], words: Mapping[str, str]) -> list[Cell]:
    """A row of the table."""
    interval = between(number(row["low"] * 100, 1), number(row["high"] * 100, 1))
    same = "no spread between images" if row["over"] == "images" else NO_SPREAD
    arm: list[Cell] = [row["scenario"], row["architecture"], arm_name(row["arm"]), row["augmenter"]]
    found = [points(row["mean"]), interval or same, row["over"], number(row["p_holm"]), row["draws"]]
    return [*arm, words[row["partition"]], row["images"], *found]


def _tests(f: Findings) -> Table:
    left = ("classifier", "arm", "augmenter", "partition", "over")
    numbers = ("images a draw", "difference, points", "95 % interval", "over", "p (Holm)", "draws")
    return Table(
        columns("scenario", *left[:4], *numbers, words=left), [comparison(t, f.study.words) for t in f.compared.tests]
    )


def _floors(f: Findings) -> list[Block]:
    if not f.compared.floors:
        return []
    left = ("arm", "repeats", "partition")
    rows: list[list[Cell]] = [
        [
            *(row["scenario"], arm_name(row["arm"]), arm_name(row["repeats"]), f.study.words[row["partition"]]),
            *(points(row["mean"]), number(row["largest"] * 100, 1), row["blocks"]),
        ]
        for row in f.compared.floors
    ]
    head = columns("scenario", *left, "difference, points", "largest by size", "architectures x draws", words=left)
    said = "The noise floor, which is not tested: what the same arm differs from itself by under another seed."
    return [Words(said), Table(head, rows)]

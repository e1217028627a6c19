"""All measures of the classifiers, a row an arm of an augmenter."""

from pipeline_steps.measures.classifiers.table import CLASSIFIERS
from pipeline_steps.reporting.arms import arm_name, in_order
from pipeline_steps.reporting.blocks import Block, Cell, Column, Heading, Table, Words
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.formatting import mean_of

_KEYS = ["scenario", "partition", "architecture", "augmenter"]
_READING = (
    "Over all images of a test partition; means over draws, blank where a draw has none. Small: 95 % intervals over "
    "images, of single draws. What compares levels takes those of {minimum} images or more, and a class's odds "
    "those of as many images of it and of the others. ↑: more is better, ↓: less."
)


def classifiers(f: Findings) -> list[Block]:
    """Nothing where none was trained."""
    if not len(f.r.classifiers):
        return []
    whole = f.r.classifiers[f.r.classifiers["level"] == "all"]
    rows: list[list[Cell]] = []
    for arm in in_order(whole["arm"]):
        for key, mine in whole[whole["arm"] == arm].groupby(_KEYS):
            scenario, partition, architecture, augmenter = map(str, key)
            names = [arm_name(arm), augmenter, scenario, f.study.words[partition], architecture]
            rows.append([*names, len(mine), *(mean_of(mine, m) for m in CLASSIFIERS)])
    named = [Column(name, words=True) for name in ("arm", "augmenter", "scenario", "partition", "classifier")]
    table = Table([*named, Column("draws"), *(Column(m.title()) for m in CLASSIFIERS)], rows)
    reading = Words(_READING.format(minimum=f.study.evaluation.minimum_level_images))
    return [Heading("Every measure of the classifiers"), table, reading]

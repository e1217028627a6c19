"""Accuracy by mixture of real and synthetic images: the paper's Table 2, with its figures beside ours."""

from typing import Any

from pipeline_steps.reporting.arms import arm_name
from pipeline_steps.reporting.blocks import Block, Column, Heading, Table, Words
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.tables import table_2

_PAPER = {"real": "paper: real", "syn": "syn", "real_syn": "real+syn"}


def mixtures(f: Findings) -> list[Block]:
    """A table a test partition."""
    blocks: list[Block] = []
    for partition, words in f.study.words.items():
        if rows := table_2(f.r, partition, papers=f.study.papers):
            table = _table(rows, papers=f.study.papers)
            mean = Words("Mean ± standard deviation over draws.")
            blocks += [Heading(f"Accuracy by mixture: {words}, %"), table, mean]
    return blocks


def _table(rows: list[dict[str, Any]], *, papers: bool) -> Table:
    head = [
        Column("scenario"),
        *(Column(name, words=True) for name in ("classifier", "augmenter")),
        Column("images a draw"),
        *(Column(arm_name(arm)) for arm in rows[0]["ours"]),
    ]
    paper = _PAPER if papers else {}
    own = ("scenario", "architecture", "augmenter", "images")
    return Table(
        [*head, *(Column(words, quiet=True) for words in paper.values())],
        [[*(r[k] for k in own), *r["ours"].values(), *(r["paper"].get(arm, "") for arm in paper)] for r in rows],
    )

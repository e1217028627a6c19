"""The paper's ablation: each strategy's distance, and classifiers on its images alone."""

from pipeline_steps.measures.images.frechet import FRECHET
from pipeline_steps.reporting.blocks import Block, Column, Heading, Table
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.tables import ablation as strategies

_PAPER = ("paper (VGG-16, scenario i): types I, II", "V, VI")


def ablation(f: Findings) -> list[Block]:
    """A row a strategy, scenario and architecture."""
    words, papers = f.study.words, f.study.papers
    head = [
        Column("strategy"),
        Column("scenario"),
        Column("classifier", words=True),
        Column(f"{f.named(FRECHET)} to the reference"),
        Column(f"syn only: {words['test_light']}, %"),
        Column(f"{words['test']}, %"),
        Column("holdout, %"),
        *(Column(name, quiet=True) for name in _PAPER if papers),
    ]
    rows = []
    for a in strategies(f.r, papers=papers):
        paper = (a["paper"] or ("", "")) if papers else ()
        ours = [a["ours"][partition] for partition in ("test_light", "test", "holdout")]
        rows.append([a["strategy"], a["scenario"], a["architecture"], a["frechet_distance"], *ours, *paper])
    return [Heading("Ablation: strategies"), Table(head, rows)]

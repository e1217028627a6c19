"""How losses fell."""

from pipeline_steps.reporting.blocks import Block, Figure, Heading
from pipeline_steps.reporting.figures import training_curves
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.histories import histories


def training(f: Findings) -> list[Block]:
    """One figure of all histories."""
    found = histories(f.cells)
    drawn = [Figure("training", "training curves", "", training_curves(found))] if found else []
    return [Heading("Training"), *drawn]

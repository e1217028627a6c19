"""The parameters of the run."""

from pipeline_steps.reporting.blocks import Block, Heading, Listing
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.settings import shown_params
from pipeline_steps.stage.params import PARAMS_FILE


def settings(_: Findings) -> list[Block]:
    """``params.yaml`` without the places of a person's files."""
    return [Heading("Parameters"), Listing("params.yaml", shown_params(PARAMS_FILE.read_text("utf-8")))]

"""What the report shows."""

from pydantic import NonNegativeInt

from pipeline_steps.stage.params import Params


class ReportParams(Params):
    """``report`` in params.yaml."""

    gallery_per_condition: NonNegativeInt

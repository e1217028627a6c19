"""Which features images are compared by."""

from typing import Literal

from pipeline_steps.stage.params import Params


class FeatureParams(Params):
    """``features`` in params.yaml."""

    extractor: Literal["shipped", "inception", "clip"]
    location: str

"""Which images the study is about."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.stage.params import Params


class SubsetParams(Params):
    """``subset`` in params.yaml."""

    conditions: Annotated[tuple[NonEmpty, ...], Field(min_length=1)]
    policy: Literal["clean", "paper_exact"]

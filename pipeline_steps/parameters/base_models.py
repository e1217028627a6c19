"""Where base models lie."""

from typing import Literal

from pipeline_steps.parameters.bounds import Dtype, NonEmpty
from pipeline_steps.stage.params import Params


class BaseModelParams(Params):
    """One entry of ``base_models`` in params.yaml."""

    family: Literal["stable_diffusion", "flux"]
    location: NonEmpty
    revision: str | None
    dtype: Dtype

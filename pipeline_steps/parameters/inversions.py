"""How tokens are learned."""

from typing import Annotated

from pydantic import Field, PositiveInt

from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.parameters.levels import Level
from pipeline_steps.parameters.optimised import TrainingParams
from pipeline_steps.stage.params import Params


class InversionParams(Params):
    """One entry of ``inversions`` in params.yaml; ``skin_types``: those that its ``templates`` speak of."""

    base: str
    vectors: PositiveInt
    initializer_token: NonEmpty
    skin_types: tuple[Level, ...]
    templates: Annotated[tuple[str, ...], Field(min_length=1)]
    training: TrainingParams

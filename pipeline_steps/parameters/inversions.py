"""How tokens are learned, and for which base models."""

from typing import Annotated

from pydantic import Field, PositiveInt

from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.parameters.levels import Level
from pipeline_steps.parameters.optimised import TrainingParams
from pipeline_steps.stage.params import Params, ParamsError

_CANNOT = {
    "flux": "Flux attends to T5's states of a prompt and takes one pooled vector from CLIP; a token learned in CLIP's "
    "vocabulary would reach it through that vector alone, while T5 spells its name in letters"
}


class InversionParams(Params):
    """One entry of ``inversions`` in params.yaml; ``levels``: those that its ``templates`` speak of."""

    base: str
    vectors: PositiveInt
    initializer_token: NonEmpty
    levels: tuple[Level, ...]
    templates: Annotated[tuple[str, ...], Field(min_length=1)]
    training: TrainingParams


def check_inversion(family: str, entry: str) -> None:
    """Whether textual inversion is for base models of ``family``; ``entry`` of the parameters wants it.

    Raises:
        ParamsError: it is not.
    """
    if why := _CANNOT.get(family):
        raise ParamsError(
            f"{entry} wants textual inversion with a base model of family {family}, for which there is none: {why}. "
            "Set its inversion to null, or its base to a model of family stable_diffusion"
        )

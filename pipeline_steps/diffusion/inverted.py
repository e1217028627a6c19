"""Which base models can be told learned tokens. Imports nothing heavy: the grid is expanded with it."""

from pipeline_steps.stage.params import ParamsError

_CANNOT = {
    "flux": "Flux attends to T5's states of a prompt and takes one pooled vector from CLIP; a token learned in CLIP's "
    "vocabulary would reach it through that vector alone, while T5 spells its name in letters"
}


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

"""What is run."""

from pydantic import NonNegativeInt

from pipeline_steps.stage.params import Params


class Block(Params):
    """One block of the grid: the product of its lists; ``segmenters`` are the arms that segmenters are trained on.

    Neither architectures nor segmenters: images are made to look at, nothing more.
    """

    scenarios: tuple[str, ...]
    draws: tuple[NonNegativeInt, ...]
    augmenters: tuple[str, ...]
    architectures: tuple[str, ...]
    arms: tuple[str, ...]
    segmenters: tuple[str, ...]

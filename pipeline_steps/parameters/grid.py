"""What is run."""

from pydantic import NonNegativeInt

from pipeline_steps.parameters.scenarios import NamedScenario
from pipeline_steps.stage.params import Params


def untrained_name(augmenter: str) -> str:
    """The name of an augmenter's counterpart: its base model, which has learned nothing."""
    return f"{augmenter}_untrained"


class Block(Params):
    """One block of the grid: the product of its lists; ``segmenters`` are the arms that segmenters are trained on.

    With neither architectures nor segmenters, images are made to look at, nothing more. With ``untrained``, images are
    made by each augmenter's base model, which has learned nothing, under the augmenter's settings.
    """

    scenarios: tuple[NamedScenario, ...]
    draws: tuple[NonNegativeInt, ...]
    augmenters: tuple[str, ...]
    architectures: tuple[str, ...]
    arms: tuple[str, ...]
    segmenters: tuple[str, ...]
    untrained: bool

    @property
    def made_by(self) -> tuple[str, ...]:
        """The entries of ``augmenters`` that make its images."""
        return tuple(map(untrained_name, self.augmenters)) if self.untrained else self.augmenters

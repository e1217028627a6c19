"""What is run."""

from pydantic import NonNegativeInt

from pipeline_steps.stage.params import Params


def untrained_name(augmenter: str) -> str:
    """What the base model of an augmenter is called, where it makes images as it came."""
    return f"{augmenter}_untrained"


class Block(Params):
    """One block of the grid: the product of its lists; ``segmenters`` are the arms that segmenters are trained on.

    Neither architectures nor segmenters: images are made to look at, nothing more. ``untrained``: not by the augmenters
    that it names, but by each one's base model as it came, with the same settings.
    """

    scenarios: tuple[str, ...]
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

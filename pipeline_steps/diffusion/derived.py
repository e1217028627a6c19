"""How models derived from the shipped base model are trained."""

from pipeline_steps.diffusion.loop import Optimisation
from pipeline_steps.diffusion.optimised import Optimised


class Derivation(Optimised):
    """How to train on so many ``images`` of generic marks, their captions dropped at times for guidance's sake."""

    threads: int
    image_size: int
    images: int
    caption_dropout: float

    def optimisation(self) -> Optimisation:
        """The optimiser's settings; the learning rate falls along a cosine."""
        return self.under("cosine")

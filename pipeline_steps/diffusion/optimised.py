"""The parameters of the one training loop, as every stage that trains a denoiser reads them."""

from pipeline_steps.diffusion.loop import Optimisation
from pipeline_steps.stage.params import Params


class Optimised(Params):
    """What any training of a denoiser takes; ``learning_rate`` is the one that the optimiser sees."""

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    max_grad_norm: float
    ema_decay: float
    seed: int

    def under(self, schedule: str) -> Optimisation:
        """The part that the training loop needs, the learning rate under ``schedule``."""
        return Optimisation(
            self.steps,
            self.learning_rate,
            self.weight_decay,
            self.warmup_steps,
            schedule,
            self.max_grad_norm,
            self.ema_decay,
            self.seed,
        )

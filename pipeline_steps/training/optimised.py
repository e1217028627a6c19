"""From the parameters of a training to what the one training loop takes."""

from pipeline_steps.parameters.optimised import Derivation, Optimised, TrainingParams
from pipeline_steps.training.loop import Optimisation


def optimisation(p: TrainingParams | Derivation) -> Optimisation:
    """The part that the training loop needs; a derived model's learning rate falls along a cosine."""
    return with_schedule(p, p.schedule if isinstance(p, TrainingParams) else "cosine")


def with_schedule(p: Optimised, schedule: str) -> Optimisation:
    """The same with a schedule of the learning rate by name."""
    return Optimisation(
        p.steps,
        p.learning_rate,
        p.weight_decay,
        p.warmup_steps,
        schedule,
        p.max_grad_norm,
        p.ema_decay,
        p.seed,
    )

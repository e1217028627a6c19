"""How a training is optimised: AdamW, and how its learning rate changes from step to step."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from pipeline_steps.parameters.optimised import Derivation, Optimised, TrainingParams
from pipeline_steps.parameters.supervision import Supervision


@dataclass(frozen=True)
class Optimisation:
    """How to optimise: AdamW on a linear warm-up, then one of ``SCHEDULES``.

    ``milestones`` (of schedule ``step``): shares of the steps. ``fused``: PyTorch's fused AdamW, which rounds otherwise
    than the plain one.
    """

    steps: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    schedule: str
    max_grad_norm: float
    ema_decay: float
    seed: int
    milestones: tuple[float, ...] = ()
    fused: bool = True


def optimisation(p: TrainingParams | Derivation) -> Optimisation:
    """The optimisation of a diffusion training; a derived model's learning rate falls along a cosine."""
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


def supervised_optimisation(p: Supervision) -> Optimisation:
    """The optimisation of a classifier or segmenter: no warm-up, no clipping, no average."""
    return Optimisation(
        p.updates, p.learning_rate, p.weight_decay, 0, p.schedule, 0.0, 0.0, p.seed, p.milestones, fused=False
    )


def new_optimiser(trainable: list[Tensor], how: Optimisation) -> tuple[torch.optim.AdamW, LRScheduler]:
    """The optimiser of ``trainable`` and the scheduler of its learning rate."""
    optimiser = torch.optim.AdamW(
        trainable, lr=how.learning_rate, weight_decay=how.weight_decay, fused=how.fused or None
    )
    return optimiser, SCHEDULES[how.schedule](optimiser, how)


def _by_factor(factor: Callable[[int, Optimisation], float]) -> Callable[..., LRScheduler]:
    """A scheduler of the learning rate times ``factor(step, how)``, after a linear warm-up."""

    def scheduler(optimiser: torch.optim.Optimizer, how: Optimisation) -> LRScheduler:
        def warmed(step: int) -> float:
            return (step + 1) / how.warmup_steps if step < how.warmup_steps else factor(step, how)

        return LambdaLR(optimiser, warmed)

    return scheduler


def _constant(_step: int, _how: Optimisation) -> float:
    return 1.0


def _cosine(step: int, how: Optimisation) -> float:
    """From one after the warm-up to zero."""
    return 0.5 * (1 + math.cos(math.pi * (step - how.warmup_steps) / max(1, how.steps - how.warmup_steps)))


def _step(step: int, how: Optimisation) -> float:
    """A tenth from each milestone on, taken to the nearest whole step."""
    return 0.1 ** sum(step >= round(m * how.steps) for m in how.milestones)


def _one_cycle(optimiser: torch.optim.Optimizer, how: Optimisation) -> LRScheduler:
    """Smith and Topin 2018, with PyTorch's settings: it has a warm-up of its own, and changes AdamW's first beta."""
    return OneCycleLR(optimiser, how.learning_rate, total_steps=how.steps)


# The factors are ours: PyTorch's CosineAnnealingLR and MultiStepLR multiply from step to step and round otherwise, and
# the warm-up of diffusers' get_scheduler starts from a rate of zero; either would change the bits of shipped models.
SCHEDULES: dict[str, Callable[..., LRScheduler]] = {
    "constant": _by_factor(_constant),
    "cosine": _by_factor(_cosine),
    "step": _by_factor(_step),
    "one_cycle": _one_cycle,
}

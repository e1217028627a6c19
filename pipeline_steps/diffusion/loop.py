"""The one training loop: every diffusion training is a list of trainable tensors and a loss.

Randomness comes from (seed, step), so that a resumed run repeats the bits of an undisturbed one.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from pipeline_steps.stage.outputs import whole_file
from pipeline_steps.stage.progress import Track

log = logging.getLogger(__name__)

# Mean loss of slice `part` of `parts` of step `step`'s batch, drawn from the generator.
BatchLoss = Callable[[torch.Generator, int, int], Tensor]


@dataclass(frozen=True)
class Optimisation:
    """How to optimise: AdamW, linear warm-up, then ``schedule`` (``constant`` or ``cosine`` to zero)."""

    steps: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    schedule: str
    max_grad_norm: float
    ema_decay: float
    seed: int


@dataclass(frozen=True)
class Checkpointing:
    """Where a run saves itself (one file, replaced whole) and how often, in steps."""

    path: Path
    every: int


def optimise(
    trainable: list[Tensor],
    batch_loss: BatchLoss,
    how: Optimisation,
    what: str,
    checkpointing: Checkpointing | None = None,
    after_step: Callable[[int], None] | None = None,
) -> list[float]:
    """Train ``trainable`` in place and return the loss of each step.

    With ``ema_decay`` > 0 the tensors end as their exponential moving average. On CUDA, running out of
    memory halves the micro-batch (the same effective batch; logged). ``after_step`` sees each step's number.

    Raises:
        FloatingPointError: the loss became NaN or infinite; nothing of that step is saved.
    """
    optimiser = torch.optim.AdamW(trainable, lr=how.learning_rate, weight_decay=how.weight_decay, fused=True)
    averages = [t.detach().clone() for t in trainable] if how.ema_decay > 0 else []
    losses = _resume(checkpointing, trainable, optimiser, averages)
    parts, first = 1, len(losses)
    steps = Track(range(first, how.steps), what, how.steps, first)
    for step in steps:
        for group in optimiser.param_groups:
            group["lr"] = how.learning_rate * _rate(step, how)
        loss, parts = _accumulate(batch_loss, how.seed, step, parts, optimiser)
        if not math.isfinite(loss):
            raise FloatingPointError(f"{what}: loss is {loss} at step {step}; lower learning_rate or check the images")
        if how.max_grad_norm > 0:
            torch.nn.utils.clip_grad_norm_(trainable, how.max_grad_norm)
        optimiser.step()
        for average, tensor in zip(averages, trainable, strict=False):
            average.lerp_(tensor.detach(), 1 - min(how.ema_decay, (1 + step) / (10 + step)))
        losses.append(loss)
        steps.tell(loss=fmean(losses[-50:]))
        if after_step:
            after_step(step)
        if checkpointing and (step + 1) % checkpointing.every == 0:
            _save(checkpointing.path, trainable, optimiser, averages, losses)
    with torch.no_grad():
        for average, tensor in zip(averages, trainable, strict=False):
            tensor.copy_(average)
    return losses


def step_generator(seed: int, step: int) -> torch.Generator:
    """The CPU generator of one step: the same whatever ran before it, and on any device."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % (2**63))


def _accumulate(
    batch_loss: BatchLoss, seed: int, step: int, parts: int, optimiser: torch.optim.Optimizer
) -> tuple[float, int]:
    """Gradients of one whole batch in ``parts`` slices: its mean loss, and the parts that fitted."""
    while True:
        try:
            optimiser.zero_grad(set_to_none=True)
            total = 0.0
            for part in range(parts):
                loss = batch_loss(step_generator(seed, step), part, parts) / parts
                torch.autograd.backward(loss)
                total += float(loss.detach())
        except torch.OutOfMemoryError:
            parts *= 2
            if parts > 64:
                raise
            torch.cuda.empty_cache()
            log.warning("out of memory: micro-batch halved, accumulating %d parts", parts)
        else:
            return total, parts


def _rate(step: int, how: Optimisation) -> float:
    if step < how.warmup_steps:
        return (step + 1) / how.warmup_steps
    if how.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - how.warmup_steps) / max(1, how.steps - how.warmup_steps)))


def _save(
    path: Path,
    trainable: list[Tensor],
    optimiser: torch.optim.Optimizer,
    averages: list[Tensor],
    losses: list[float],
) -> None:
    state = {"trainable": trainable, "optimiser": optimiser.state_dict(), "averages": averages, "losses": losses}
    with whole_file(path) as temporary:
        torch.save(state, temporary)


def _resume(
    checkpointing: Checkpointing | None,
    trainable: list[Tensor],
    optimiser: torch.optim.Optimizer,
    averages: list[Tensor],
) -> list[float]:
    if checkpointing is None or not checkpointing.path.exists():
        return []
    state = torch.load(checkpointing.path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for tensor, saved in zip(trainable + averages, state["trainable"] + state["averages"], strict=True):
            tensor.copy_(saved)
    optimiser.load_state_dict(state["optimiser"])
    log.info("resumed after step %d from %s", len(state["losses"]), checkpointing.path)
    return list(state["losses"])

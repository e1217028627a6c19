"""The one training loop: every diffusion training is a list of trainable tensors and a loss.

Randomness comes from (seed, step), so that a resumed run repeats the bits of an undisturbed one. It is drawn for a
whole batch before the batch is cut into slices, so that slices change nothing but rounding.
"""

import itertools
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.progress import Track

log = logging.getLogger(__name__)

# All that one step's batch is: tensors whose first dimension is the batch's, or dictionaries of such.
Batch = dict[str, Any]


def batch_size_of(batch: Batch) -> int:
    """How many images a batch, or a slice of one, has."""
    first = next(iter(batch.values()))
    return batch_size_of(first) if isinstance(first, dict) else len(first)


@dataclass(frozen=True)
class BatchLoss:
    """A loss in two parts.

    ``draw`` makes everything that is random of a step's whole batch, from the step's generator. ``loss`` is the mean
    loss of a batch or of a slice of one; ``weight`` says how much a slice counts in the mean of the whole. A loss that
    is no mean over images (it has statistics of the whole batch) is not ``divisible``.
    """

    draw: Callable[[torch.Generator], Batch]
    loss: Callable[[Batch], Tensor]
    weight: Callable[[Batch], float] = batch_size_of
    divisible: bool = True


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
class Look:
    """Something to see every so many steps and at the end, such as a validation loss; ``at`` is told after how many."""

    every: int
    at: Callable[[int], None]


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
    looks: Sequence[Look] = (),
) -> list[float]:
    """Train ``trainable`` in place and return the loss of each step.

    With ``ema_decay`` > 0 the tensors end as their exponential moving average, and ``looks`` see that average. On CUDA,
    running out of memory halves the slices that a batch is computed in (the same batch; logged).

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
        for look in looks:
            if (step + 1) % look.every == 0 or step + 1 == how.steps:
                with _averaged(trainable, averages):
                    look.at(step + 1)
        if checkpointing and (step + 1) % checkpointing.every == 0:
            _save(checkpointing.path, trainable, optimiser, averages, losses)
    _copy(averages, trainable)
    return losses


def step_generator(seed: int, step: int) -> torch.Generator:
    """The CPU generator of one step: the same whatever ran before it, and on any device."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % (2**63))


@contextmanager
def _averaged(trainable: list[Tensor], averages: list[Tensor]) -> Iterator[None]:
    """Within: the averages stand in the place of the weights that are trained, if there are averages."""
    raw = [t.detach().clone() for t in trainable] if averages else []
    _copy(averages, trainable)
    try:
        yield
    finally:
        _copy(raw, trainable)


@torch.no_grad()
def _copy(values: list[Tensor], into: list[Tensor]) -> None:
    for value, tensor in zip(values, into, strict=bool(values)):
        tensor.copy_(value)


def _accumulate(
    batch_loss: BatchLoss, seed: int, step: int, parts: int, optimiser: torch.optim.Optimizer
) -> tuple[float, int]:
    """Gradients of one whole batch in ``parts`` slices: its mean loss, and the parts that fitted."""
    batch = batch_loss.draw(step_generator(seed, step))
    size, whole = batch_size_of(batch), batch_loss.weight(batch)
    parts = min(parts, size)
    while True:
        try:
            optimiser.zero_grad(set_to_none=True)
            total = 0.0
            for piece in slices(batch, parts):
                loss = batch_loss.loss(piece) * (batch_loss.weight(piece) / whole)
                torch.autograd.backward(loss)
                total += float(loss.detach())
        except torch.OutOfMemoryError as error:
            if parts == size or not batch_loss.divisible:
                advice = "set gradient_checkpointing, lower batch_size, or take smaller images or a 16-bit base"
                raise torch.OutOfMemoryError(f"{size // parts} images at once do not fit; {advice}") from error
        else:
            return total, parts
        parts = min(2 * parts, size)
        torch.cuda.empty_cache()  # not within the handler, where the error still holds the tensors
        log.warning("out of memory: micro-batch halved, accumulating %d parts", parts)


def slices(batch: Batch, parts: int) -> list[Batch]:
    """A batch in ``parts`` slices as equal as can be, in order."""
    size = batch_size_of(batch)
    ends = [size * part // parts for part in range(parts + 1)]
    return [_rows(batch, slice(*pair)) for pair in itertools.pairwise(ends)]


def _rows(batch: Batch, rows: slice) -> Batch:
    return {name: _rows(held, rows) if isinstance(held, dict) else held[rows] for name, held in batch.items()}


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
    with atomic_file(path) as temporary:
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

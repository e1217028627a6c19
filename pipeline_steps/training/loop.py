"""The one training loop: of denoisers, tokens, base models, captioners, feature networks, classifiers and segmenters.

Randomness comes from (seed, step), so that a resumed run repeats the bits of an undisturbed one. It is drawn for a
whole batch before the batch is cut into slices, so that slices change nothing but rounding.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler

from pipeline_steps.stage.progress import Track
from pipeline_steps.training.ahead import batches_ahead, drawn
from pipeline_steps.training.batches import Batch, BatchLoss, batch_size_of, slices
from pipeline_steps.training.checkpoints import Checkpointing, Randomness, resume, save
from pipeline_steps.training.optimisation import Optimisation, new_optimiser

log = logging.getLogger(__name__)
_REMEDY = "lower learning_rate, or look at the images"
_UNREAD = 20  # steps that a GPU does before their losses are read


@dataclass(frozen=True)
class Callback:
    """What is called every so many steps and at the end, such as a validation.

    ``call`` gets the number of steps done; what it returns is shown beside the loss.
    """

    every: int
    call: Callable[[int], Mapping[str, float] | None]


def optimise(
    trainable: list[Tensor],
    batch_loss: BatchLoss,
    how: Optimisation,
    what: str,
    *,
    checkpointing: Checkpointing | None = None,
    callbacks: Sequence[Callback] = (),
    read_every: int | None = None,
) -> list[float]:
    """Train ``trainable`` in place and return the loss of each step.

    With ``ema_decay`` > 0 the tensors end as their exponential moving average, and ``callbacks`` see that average.
    Losses are read every ``read_every`` steps (None: ``steps_between_reads``) and before all that stops the steps.

    Raises:
        FloatingPointError: the loss became NaN or infinite; nothing of that step or a later one is saved.
    """
    weights = _Weights(trainable, how.ema_decay)
    optimiser, scheduler = new_optimiser(trainable, how)
    changed = (weights, optimiser, scheduler, Randomness())
    losses = resume(checkpointing, changed) if checkpointing else []
    device, todo, unread = trainable[0].device, range(len(losses), how.steps), list[list[Tensor]]()
    parts, shown, steps = 1, dict[str, float](), Track(todo, what, how.steps, len(losses))
    often = [c.every for c in (*callbacks, checkpointing) if c] + [read_every or steps_between_reads(device), how.steps]
    with drawn(batch_loss, how.seed, todo, batches_ahead(batch_loss, device), pin=device.type == "cuda") as batches:
        for step, batch in zip(steps, batches, strict=True):
            pieces, parts = _accumulate(batch_loss, batch, parts, optimiser)
            unread.append(pieces)
            if is_read := any((step + 1) % every == 0 for every in often):
                losses += _read(unread, what, len(losses))
            weights.update(step, how, optimiser, scheduler)
            shown |= weights.seen_by(callbacks, step + 1, how.steps)
            if is_read:
                steps.tell(loss=fmean(losses[-50:]), **shown)
            if checkpointing and (step + 1) % checkpointing.every == 0:
                save(checkpointing, changed, losses)
    weights.end_as_average()
    return losses


def steps_between_reads(device: torch.device) -> int:
    """After how many steps losses are read: a GPU is waited for until it ends all that it was given, a CPU is not."""
    return 1 if device.type == "cpu" else _UNREAD


def _read(unread: list[list[Tensor]], what: str, done: int) -> list[float]:
    """The losses of the steps after ``done`` of them, each given in its pieces; leaves none unread."""
    values = iter(torch.stack([piece for pieces in unread for piece in pieces]).tolist())
    losses = [sum(next(values) for _ in pieces) for pieces in unread]
    unread.clear()
    for step, loss in enumerate(losses, done + 1):
        if not math.isfinite(loss):
            raise FloatingPointError(f"{what}: the loss is {loss} at step {step}; {_REMEDY}")
    return losses


class _Weights:
    """The tensors in training and, where ``decay`` is above 0, their exponential moving average.

    Ours and not diffusers' EMAModel, which forgets the start at its first step and rounds otherwise: the bits of
    shipped models would change.
    """

    def __init__(self, trainable: list[Tensor], decay: float) -> None:
        self._trainable, self._decay = trainable, decay
        self._averages = [t.detach().clone() for t in trainable] if decay > 0 else []

    def update(self, step: int, how: Optimisation, optimiser: AdamW, scheduler: LRScheduler) -> None:
        """One step along the gradients, which are clipped first if they are to be; the average follows."""
        if how.max_grad_norm > 0:
            torch.nn.utils.clip_grad_norm_(self._trainable, how.max_grad_norm)
        optimiser.step()
        scheduler.step()
        self._average(step)

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Move the average towards the tensors; in the first steps further, so that it forgets the start."""
        for average, tensor in zip(self._averages, self._trainable, strict=False):
            average.lerp_(tensor.detach(), 1 - min(self._decay, (1 + step) / (10 + step)))

    def seen_by(self, callbacks: Sequence[Callback], done: int, steps: int) -> dict[str, float]:
        """Call those whose turn it is, with the average in the tensors' place; what they want to be shown."""
        due = [c for c in callbacks if done % c.every == 0 or done == steps]
        if not due:
            return {}
        with self._averaged():
            return {name: value for c in due for name, value in (c.call(done) or {}).items()}

    def end_as_average(self) -> None:
        """Replace the tensors by their average, if there is one."""
        _copy(self._averages, self._trainable)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        raw = [t.detach().clone() for t in self._trainable] if self._averages else []
        _copy(self._averages, self._trainable)
        try:
            yield
        finally:
            _copy(raw, self._trainable)

    def state_dict(self) -> dict[str, Any]:
        """The tensors and their averages."""
        return {"trainable": self._trainable, "averages": self._averages}

    @torch.no_grad()
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Copy both back in place."""
        saved = state_dict["trainable"] + state_dict["averages"]
        for tensor, value in zip(self._trainable + self._averages, saved, strict=True):
            tensor.copy_(value)


@torch.no_grad()
def _copy(values: list[Tensor], into: list[Tensor]) -> None:
    for value, tensor in zip(values, into, strict=bool(values)):
        tensor.copy_(value)


def _accumulate(
    batch_loss: BatchLoss, batch: Batch, parts: int, optimiser: torch.optim.Optimizer
) -> tuple[list[Tensor], int]:
    """Gradients of one whole batch in ``parts`` slices: what each adds to its mean loss, and the parts that fitted.

    On CUDA, running out of memory halves the slices (the same batch; logged).
    """
    size, whole = batch_size_of(batch), batch_loss.weight(batch)
    parts = min(parts, size)
    while True:
        try:
            optimiser.zero_grad(set_to_none=True)
            added = []
            for piece in slices(batch, parts):
                loss = batch_loss.loss(piece) * (batch_loss.weight(piece) / whole)
                torch.autograd.backward(loss)
                added.append(loss.detach())
        except torch.OutOfMemoryError as error:
            if parts == size or not batch_loss.divisible:
                advice = "set gradient_checkpointing, lower batch_size, or take smaller images or a 16-bit base"
                raise torch.OutOfMemoryError(f"{size // parts} images at once do not fit; {advice}") from error
        else:
            return added, parts
        parts = min(2 * parts, size)
        torch.cuda.empty_cache()  # not within the handler, where the error still holds the tensors
        log.warning("out of memory: micro-batch halved, accumulating %d parts", parts)

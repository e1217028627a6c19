"""What the training loop computes gradients from: batches, their slices, and losses of them."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# All that one step's batch is: tensors whose first dimension is the batch's, or dictionaries of such.
Batch = dict[str, Any]


def batch_size_of(batch: Batch) -> int:
    """How many images a batch, or a slice of one, has."""
    first = next(iter(batch.values()))
    return batch_size_of(first) if isinstance(first, dict) else len(first)


def step_generator(seed: int, step: int) -> torch.Generator:
    """The CPU generator of one step: the same whatever ran before it, and on any device."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % (2**63))


@dataclass(frozen=True)
class BatchLoss:
    """A loss in two parts.

    ``draw`` makes everything that is random of a step's whole batch, from what ``randomness`` makes of seed and step.
    ``loss`` is the mean loss of a batch or of a slice of one; ``weight`` says how much a slice counts in the mean of
    the whole. A loss that is no mean over images (it has statistics of the whole batch) is not ``divisible``. Where all
    batches come from one running stream, and not each from its seed and step, none can be drawn ahead: ``in_turn``.
    """

    draw: Callable[[Any], Batch]
    loss: Callable[[Batch], Tensor]
    weight: Callable[[Batch], float] = batch_size_of
    divisible: bool = True
    randomness: Callable[[int, int], Any] = step_generator
    in_turn: bool = False


def pinned(batch: Batch) -> Batch:
    """The batch with page-locked tensors, but for those that are on a GPU: copies from them do not wait for it."""
    return {name: pinned(held) if isinstance(held, dict) else _pinned(held) for name, held in batch.items()}


def _pinned(tensor: Tensor) -> Tensor:
    return tensor.pin_memory() if tensor.device.type == "cpu" else tensor


def slices(batch: Batch, parts: int) -> list[Batch]:
    """A batch in ``parts`` slices as equal as can be, in order."""
    size = batch_size_of(batch)
    ends = [size * part // parts for part in range(parts + 1)]
    return [_rows(batch, slice(*pair)) for pair in itertools.pairwise(ends)]


def _rows(batch: Batch, rows: slice) -> Batch:
    return {name: _rows(held, rows) if isinstance(held, dict) else held[rows] for name, held in batch.items()}

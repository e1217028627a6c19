"""Tensors in the item store, in the precision of the model that made them, read when a batch asks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol

import safetensors.torch
import torch
from torch import Tensor

from pipeline_steps.records.captioned import Words

_NAME = "value"
_HELD = 1 << 26  # bytes of embeddings that stay in memory


class TensorRows(Protocol):
    """Tensors of one shape that are read by rows; a tensor (N, ...) is one."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """Those at ``rows`` (B,), as (B, ...)."""
        ...


def tensor_bytes(value: Tensor) -> bytes:
    """A tensor as a value of the item store, in its own precision."""
    return safetensors.torch.save({_NAME: value.detach().cpu().contiguous()})


def tensor_of(value: bytes) -> Tensor:
    """The tensor in a value of the item store."""
    return safetensors.torch.load(value)[_NAME]


@dataclass(frozen=True)
class StoredTensors:
    """Tensors whose bytes are ``items``, given in 32 bits."""

    items: Sequence[bytes]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.items)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Those at ``rows`` (B,), as (B, ...)."""
        return torch.stack([tensor_of(self.items[row]).float() for row in rows.tolist()])


@dataclass(frozen=True)
class Embeddings(Generic[Words]):
    """Embeddings (L, D) by prompt, whose bytes are ``items`` at ``positions``; those asked for last stay in memory."""

    items: Sequence[bytes]
    positions: Mapping[Words, int]
    _recent: dict[Words, Tensor] = field(default_factory=dict)

    def __getitem__(self, prompt: Words) -> Tensor:
        """The embedding of ``prompt``."""
        value = self._recent.pop(prompt, None)
        if value is None:
            value = tensor_of(self.items[self.positions[prompt]])
        self._recent[prompt] = value
        while len(self._recent) > max(1, _HELD // value.nbytes):
            del self._recent[next(iter(self._recent))]
        return value

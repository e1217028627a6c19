"""Checkpoints of a training: all that its next steps depend on, in one file that is replaced whole."""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from pipeline_steps.stage.outputs import atomic_file

log = logging.getLogger(__name__)
FOLDER = Path("runs/checkpoints")


class Stateful(Protocol):
    """Something with a state, as PyTorch's modules, optimisers and schedulers have one."""

    def state_dict(self) -> dict[str, Any]:
        """The state, of tensors, numbers, strings, lists and dictionaries."""

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Take over a state."""


@dataclass(frozen=True)
class Checkpointing:
    """Where a training saves itself (one file, replaced whole) and how often, in steps.

    ``also``: what the training changes beside the tensors that it optimises.
    """

    path: Path
    every: int
    also: Sequence[Stateful] = ()


@contextmanager
def work_folder(parent: Path, key: str) -> Iterator[Path]:
    """A folder for the checkpoints of one training, told from others by ``key``; it goes when the training is done."""
    folder = parent / key
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Buffers:
    """The buffers of a network, such as the running statistics of batch normalisation."""

    network: nn.Module

    def state_dict(self) -> dict[str, Any]:
        """Each buffer by its name."""
        return dict(self.network.named_buffers())

    @torch.no_grad()
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Copy each buffer back in place."""
        for name, buffer in self.network.named_buffers():
            buffer.copy_(state_dict[name])


@dataclass(frozen=True)
class Randomness:
    """PyTorch's global random streams (dropout draws from them), or those of one ``generator``."""

    generator: torch.Generator | None = None

    def state_dict(self) -> dict[str, Any]:
        """The state of each stream."""
        if self.generator is not None:
            return {"generator": self.generator.get_state()}
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {"cpu": torch.get_rng_state(), "cuda": devices}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Set each stream; a GPU that is not there any more has none."""
        if self.generator is not None:
            self.generator.set_state(state_dict["generator"])
            return
        torch.set_rng_state(state_dict["cpu"])
        if torch.cuda.is_available() and len(state_dict["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state_dict["cuda"])


def save(checkpointing: Checkpointing, parts: Sequence[Stateful], losses: list[float]) -> None:
    """Write the states of ``parts``, of what is ``also`` changed, and the losses so far."""
    states = [part.state_dict() for part in (*parts, *checkpointing.also)]
    with atomic_file(checkpointing.path) as temporary:
        torch.save({"states": states, "losses": losses}, temporary)


def resume(checkpointing: Checkpointing, parts: Sequence[Stateful]) -> list[float]:
    """Give everything the state that ``save`` wrote, if it did; the losses of the steps until then."""
    if not checkpointing.path.exists():
        return []
    saved = torch.load(checkpointing.path, map_location="cpu", weights_only=True)
    for part, state in zip((*parts, *checkpointing.also), saved["states"], strict=True):
        part.load_state_dict(state)
    losses: list[float] = saved["losses"]
    log.info("resumed after step %d from %s", len(losses), checkpointing.path)
    return losses

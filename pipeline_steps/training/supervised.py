"""Supervised training by the one loop: equal updates for every arm, the checkpoint chosen on validation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.stage.device import best_device
from pipeline_steps.training.batches import Batch, BatchLoss
from pipeline_steps.training.checkpoints import Buffers, Checkpointing
from pipeline_steps.training.loop import Callback, optimise
from pipeline_steps.training.optimisation import supervised_optimisation
from pipeline_steps.training.precision import computing_in


@dataclass(frozen=True)
class Fitted:
    """The best state on validation, the update it came from, and (update, loss, validation score) rows.

    A row's loss is the mean over the updates since the row before.
    """

    state: dict[str, Tensor]
    update: int
    history: list[tuple[int, float, float]]


@dataclass(frozen=True)
class SupervisedTask:
    """What is learned.

    ``draw`` makes an update's batch, on the network's device, from its seed (for numpy's ``default_rng``); ``loss`` is
    the batch's; ``score`` is the network's on validation data, and ``score_name`` what it is called.
    """

    draw: Callable[[list[int]], Batch]
    loss: Callable[[Batch], Tensor]
    score: Callable[[], float]
    score_name: str


def fit(
    network: nn.Module, task: SupervisedTask, how: Supervision, what: str, checkpoint: Path | None = None
) -> Fitted:
    """Train ``network`` in place, in ``how.precision`` from now on. Of equally good validations the latest is kept.

    An interrupted training goes on from the file ``checkpoint``, which is written at each validation.

    Raises:
        FloatingPointError: the loss or the validation score became NaN or infinite.
    """
    computing_in(network.to(best_device()), how.precision).train()
    best = _BestOnValidation(network, task, what)
    # Batch normalisation has the statistics of a whole batch.
    loss = BatchLoss(task.draw, task.loss, divisible=False, randomness=update_seed)
    save = Checkpointing(checkpoint, how.validate_every, (Buffers(network), best)) if checkpoint else None
    losses = optimise(
        list(network.parameters()),
        loss,
        supervised_optimisation(how),
        what,
        checkpointing=save,
        callbacks=[Callback(how.validate_every, best.validate)],
    )
    return Fitted(best.state, best.update, _history(losses, best.scores))


def update_seed(seed: int, step: int) -> list[int]:
    """The seed of one update (the first is 1): the same whatever ran before it."""
    return [seed, step + 1]


class _BestOnValidation:
    """The scores on validation, and the weights that had the best of them."""

    def __init__(self, network: nn.Module, task: SupervisedTask, what: str) -> None:
        self._network, self._task, self._what = network, task, what
        self.scores: dict[int, float] = {}
        self.state: dict[str, Tensor] = {}
        self.update = 0

    def validate(self, update: int) -> dict[str, float]:
        """Score the network, and keep a copy of its weights if they are none the worse."""
        score, name = self._task.score(), self._task.score_name
        if not math.isfinite(score):
            raise FloatingPointError(f"{self._what}: {name} is {score} at step {update}; is there validation data?")
        self.scores[update] = score
        if score >= max(self.scores.values()):
            self.state, self.update = snapshot(self._network), update
        return {name: score}

    def state_dict(self) -> dict[str, Any]:
        """All of it."""
        return {"scores": self.scores, "state": self.state, "update": self.update}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what an interrupted training had."""
        self.scores, self.state, self.update = (state_dict[name] for name in ("scores", "state", "update"))


def _history(losses: list[float], scores: Mapping[int, float]) -> list[tuple[int, float, float]]:
    rows, last = [], 0
    for update, score in sorted(scores.items()):
        since = losses[last:update]
        rows.append((update, sum(since) / len(since), score))
        last = update
    return rows


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights in the plain layout that safetensors stores."""
    state = network.state_dict().items()
    return {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in state}

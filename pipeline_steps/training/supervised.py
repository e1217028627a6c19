"""The one supervised loop: equal updates for every arm, checkpoint chosen on validation."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.stage.device import best_device
from pipeline_steps.stage.progress import Track


@dataclass(frozen=True)
class Fitted:
    """The best state on validation, the update it came from, and (update, loss, validation score) rows.

    A row's loss is the mean over the updates since the row before.
    """

    state: dict[str, Tensor]
    update: int
    history: list[tuple[int, float, float]]


@dataclass(frozen=True)
class Task:
    """What is learned. ``loss`` of an update's batch, drawn by its generator; ``score`` on validation, called so."""

    loss: Callable[[np.random.Generator, int], Tensor]
    score: Callable[[], float]
    called: str


def fit(network: nn.Module, task: Task, how: Supervision, what: str) -> Fitted:
    """Train ``network`` in place. Of equally good checkpoints the latest is kept.

    Raises:
        FloatingPointError: the loss or the validation score became NaN or infinite.
    """
    network.to(best_device()).train()
    optimiser = torch.optim.AdamW(network.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, how))
    best, history, since = Fitted({}, 0, []), [], list[float]()
    updates = Track(range(1, how.updates + 1), what, how.updates)
    for update in updates:
        loss = task.loss(np.random.default_rng([how.seed, update]), update)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"{what}: loss is {value} at update {update}; lower its learning_rate")
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        since.append(value)
        if update % how.validate_every == 0 or update == how.updates:
            score = task.score()
            if not math.isfinite(score):
                raise FloatingPointError(
                    f"{what}: {task.called} is {score} at update {update}; is there validation data?"
                )
            history.append((update, sum(since) / len(since), score))
            updates.tell(loss=history[-1][1], **{task.called: score})
            since.clear()
            if score >= max(s for _, _, s in history):
                best = Fitted(snapshot(network), update, history)
    return Fitted(best.state, best.update, history)


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights in the plain layout that safetensors stores."""
    state = network.state_dict().items()
    return {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in state}


def rate(step: int, how: Supervision) -> float:
    """The learning rate's factor: ``cosine`` to zero, or ``step``: a tenth from each milestone on.

    A milestone is a share of the updates, taken to the nearest whole update.
    """
    if how.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, step / how.updates)))
    return 0.1 ** sum(step >= round(m * how.updates) for m in how.milestones)

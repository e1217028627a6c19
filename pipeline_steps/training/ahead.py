"""The batches of the steps to come, drawn by a thread while a GPU computes a step.

A batch is a function of (seed, step), so no bit depends on when it is drawn; images are read and turned meanwhile. On a
CPU a batch is drawn when its turn comes: a thread would take the cores that compute, and Python's lock, from the step
that it should hide behind (measured on two cores: trainings took 20 to 30 % longer).
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import torch

from pipeline_steps.training.batches import Batch, BatchLoss, pinned

_AHEAD = 2  # batches that wait in memory


def batches_ahead(batch_loss: BatchLoss, device: torch.device) -> int:
    """How many batches to draw ahead of the steps that ``device`` computes."""
    return 0 if batch_loss.in_turn or device.type == "cpu" else _AHEAD


@contextmanager
def drawn(
    batch_loss: BatchLoss, seed: int, steps: range, ahead: int, *, pin: bool = False
) -> Iterator[Iterator[Batch]]:
    """The batches of ``steps`` in their order, up to ``ahead`` of them drawn by a thread while others are used.

    ``pin``: in memory that a GPU copies from without being waited for; also by the thread, where there is one. Where
    drawing one fails, so does taking it. When the block is left, no more are drawn.
    """

    def draw(step: int) -> Batch:
        batch = batch_loss.draw(batch_loss.randomness(seed, step))
        return pinned(batch) if pin else batch

    def taken(pool: ThreadPoolExecutor) -> Iterator[Batch]:
        waiting = deque[Future[Batch]]()
        for step in steps:
            waiting.append(pool.submit(draw, step))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    if not ahead:
        yield map(draw, steps)
        return
    pool = ThreadPoolExecutor(1)
    try:
        yield taken(pool)
    finally:
        pool.shutdown(cancel_futures=True)

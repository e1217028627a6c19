"""The batches of the steps to come, drawn by a thread while a step is computed.

A batch is a function of (seed, step), so no bit depends on when it is drawn; images are read and turned meanwhile.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from pipeline_steps.training.batches import Batch, BatchLoss

_AHEAD = 2  # batches that wait in memory


@contextmanager
def drawn_ahead(batch_loss: BatchLoss, seed: int, steps: range) -> Iterator[Iterator[Batch]]:
    """The batches of ``steps`` in their order; where drawing one fails, so does taking it."""

    def draw(step: int) -> Batch:
        return batch_loss.draw(batch_loss.randomness(seed, step))

    def taken() -> Iterator[Batch]:
        waiting = deque[Future[Batch]]()
        for step in steps:
            waiting.append(pool.submit(draw, step))
            if batch_loss.in_turn or len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    pool = ThreadPoolExecutor(1)
    try:
        yield taken()
    finally:
        pool.shutdown(cancel_futures=True)

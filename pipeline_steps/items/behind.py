"""Keeping what was computed while the next batch is computed."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def kept_behind(keep: Callable[[T], None], *, behind: bool) -> Iterator[Callable[[T], None]]:
    """What to give values to, so that ``keep`` keeps each of them: at once, or ``behind``, by a thread.

    The thread is one value behind at most. Where it fails, so does giving the next value, or leaving the block; no
    value that was given later is kept then. However the block is left, what is being kept is kept whole.
    """
    if not behind:
        yield keep
        return
    pool, last = ThreadPoolExecutor(1), Future[None]()
    last.set_result(None)

    def give(value: T) -> None:
        nonlocal last
        last.result()
        last = pool.submit(keep, value)

    try:
        yield give
        last.result()
    finally:
        pool.shutdown()

"""Progress of long work: a bar in the terminal, which the flow's log shows too."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(items: Iterable[T], what: str, total: int, start: int = 0) -> Iterator[T]:
    """Yield ``items`` under a bar named ``what`` that already stands at ``start`` of ``total``."""
    with tqdm(total=total, initial=start, desc=what, mininterval=2, dynamic_ncols=True) as bar:
        for item in items:
            yield item
            bar.update()

"""Progress of long work: a bar in the terminal, which the flow's log shows too."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from tqdm import tqdm

T = TypeVar("T")


class Track(Generic[T]):
    """Yields ``items`` under a bar named ``what`` that already stands at ``start`` of ``total``."""

    def __init__(self, items: Iterable[T], what: str, total: int, start: int = 0) -> None:
        self._items = items
        self._bar = tqdm(total=total, initial=start, desc=what, mininterval=2, dynamic_ncols=True)

    def __iter__(self) -> Iterator[T]:
        with self._bar as bar:
            for item in self._items:
                yield item
                bar.update()

    def tell(self, **values: float) -> None:
        """Show values such as the loss beside the bar from its next redrawing on."""
        self._bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, refresh=False)

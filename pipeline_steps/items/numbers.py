"""A few numbers an item, measured once and kept."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from pipeline_steps.items.store import ItemStore

_BATCH = 64


def measured_once(
    keys: Sequence[str], measure: Callable[[int], Sequence[float]], store: ItemStore, what: str
) -> npt.NDArray[np.float64]:
    """What ``measure`` says of each position in ``keys``, (N, K); of keys that are in the store nothing is measured."""

    def compute(batch: list[int]) -> list[bytes]:
        made = {i: np.asarray(measure(i), "<f8").tobytes() for i in dict.fromkeys(batch)}
        return [made[i] for i in batch]

    values, _ = store.get_or_compute(keys, compute, _BATCH, what)
    return np.array([np.frombuffer(value, "<f8") for value in values])

"""Share out the cores, GPUs and memory of one machine, in the order of requests."""

import asyncio
import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from flows.memory import free_memory


@dataclass
class _Waiting:
    amounts: dict[str, float]
    granted: asyncio.Future[tuple[str, ...]]


@dataclass
class Resources:
    """``cores`` and ``memory`` (MiB) to share, and names of free ``gpus`` as CUDA_VISIBLE_DEVICES takes them.

    A request larger than the machine gets the machine, alone. Who waits for one kind holds up later requests of that
    kind (so that large ones come to their turn) but of no other: CPU stages don't wait for GPUs.
    """

    cores: int
    gpus: list[str]
    memory: float = math.inf
    has_gpus: bool = field(init=False)
    _queue: list[_Waiting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._free: dict[str, float] = {"cores": self.cores, "gpus": len(self.gpus), "memory": self.memory}
        self._most = dict(self._free)
        self.has_gpus = bool(self.gpus)

    @property
    def all_free(self) -> bool:
        """Whether nobody holds anything."""
        return self._free == self._most

    @asynccontextmanager
    async def take(self, cores: int, gpus: int, memory: float = 0.0) -> AsyncIterator[tuple[str, ...]]:
        """Hold ``cores``, ``gpus`` and ``memory``; yields the GPUs' names."""
        asked = {"cores": cores, "gpus": gpus, "memory": memory}
        waiting = _Waiting(
            {kind: min(n, self._most[kind]) for kind, n in asked.items()}, asyncio.get_running_loop().create_future()
        )
        self._queue.append(waiting)
        self._grant()
        try:
            devices = await waiting.granted
        except asyncio.CancelledError:
            if waiting in self._queue:
                self._queue.remove(waiting)
            elif not waiting.granted.cancelled():
                self._give_back(waiting, waiting.granted.result())
            raise
        try:
            yield devices
        finally:
            self._give_back(waiting, devices)

    def _give_back(self, held: _Waiting, devices: tuple[str, ...]) -> None:
        for kind, n in held.amounts.items():
            self._free[kind] += n
        self.gpus = sorted([*self.gpus, *devices])
        self._grant()

    def _grant(self) -> None:
        held_up: set[str] = set()
        for waiting in list(self._queue):
            asked = {kind for kind, n in waiting.amounts.items() if n}
            lacking = {kind for kind in asked if waiting.amounts[kind] > self._free[kind]}
            if lacking or asked & held_up:
                # One that lacks a GPU must not keep the cores from those that need none.
                held_up |= lacking or (asked & held_up)
                continue
            self._queue.remove(waiting)
            for kind, n in waiting.amounts.items():
                self._free[kind] -= n
            count = int(waiting.amounts["gpus"])
            devices, self.gpus = tuple(self.gpus[:count]), self.gpus[count:]
            if not waiting.granted.done():
                waiting.granted.set_result(devices)


def this_machine(cores: int = 0) -> Resources:
    """The cores this process may use (or ``cores`` of them), the GPUs it sees, and the memory that is free now."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Resources(cores or allowed, _gpus(), free_memory())


def _gpus() -> list[str]:
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name.strip() not in ("", "-1")]
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [str(i) for i in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()

"""Who may compute now: cores and GPUs of one machine, handed out in the order of asking."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class _Waiting:
    cores: int
    gpus: int
    granted: asyncio.Future[tuple[str, ...]]


@dataclass
class Slots:
    """``cores`` to share, and the names of free ``gpus`` as CUDA_VISIBLE_DEVICES takes them.

    A request larger than the machine gets the machine. Who waits for one kind holds up later requests of that kind
    (so that large ones come to their turn) but of no other: CPU stages don't wait for GPUs.
    """

    cores: int
    gpus: list[str]
    has_gpus: bool = field(init=False)
    _queue: list[_Waiting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._most = (self.cores, len(self.gpus))
        self.has_gpus = bool(self.gpus)

    @asynccontextmanager
    async def take(self, cores: int, gpus: int) -> AsyncIterator[tuple[str, ...]]:
        """Hold ``cores`` and ``gpus``; yields the GPUs' names."""
        mine = min(cores, self._most[0])
        waiting = _Waiting(mine, min(gpus, self._most[1]), asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._grant()
        try:
            devices = await waiting.granted
        except asyncio.CancelledError:
            if waiting in self._queue:
                self._queue.remove(waiting)
            elif not waiting.granted.cancelled():
                self._give_back(mine, waiting.granted.result())
            raise
        try:
            yield devices
        finally:
            self._give_back(mine, devices)

    def _give_back(self, cores: int, devices: tuple[str, ...]) -> None:
        self.cores += cores
        self.gpus = sorted([*self.gpus, *devices])
        self._grant()

    def _grant(self) -> None:
        held_up: set[str] = set()
        for waiting in list(self._queue):
            lacking = {
                k
                for k, short in (("cores", waiting.cores > self.cores), ("gpus", waiting.gpus > len(self.gpus)))
                if short
            }
            asked = {k for k, n in (("cores", waiting.cores), ("gpus", waiting.gpus)) if n}
            if lacking or asked & held_up:
                # One that lacks a GPU must not keep the cores from those that need none.
                held_up |= lacking or (asked & held_up)
                continue
            self._queue.remove(waiting)
            self.cores -= waiting.cores
            devices, self.gpus = tuple(self.gpus[: waiting.gpus]), self.gpus[waiting.gpus :]
            if not waiting.granted.done():
                waiting.granted.set_result(devices)


def machine(cores: int = 0) -> Slots:
    """The cores this process may use (or ``cores`` of them), and the GPUs it sees."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Slots(cores or allowed, _gpus())


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

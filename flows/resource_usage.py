"""What a running stage uses: CPU, memory, and its GPUs' load, memory and temperature, as a small time series."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psutil
import pynvml

_INTERVAL = 2.0  # seconds between two samples
_MAX_SAMPLES = 600  # points kept; then every second one is dropped, and the interval doubles


@dataclass(frozen=True)
class Usage:
    """One sample: seconds since the start, CPU in percent of one core, memory and GPU memory in MiB, GPU load, °C."""

    seconds: float
    cpu: float
    memory: float
    gpu: float = 0.0
    gpu_memory: float = 0.0
    celsius: float = 0.0


@asynccontextmanager
async def sampled(pid: int, gpus: Sequence[str], series: list[Usage]) -> AsyncIterator[None]:
    """Sample process ``pid`` with all its children, and ``gpus``, into ``series``, until the block ends."""
    looking = asyncio.create_task(_sample(pid, gpus, series))
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


async def _sample(pid: int, gpus: Sequence[str], series: list[Usage]) -> None:
    started, every, known = time.monotonic(), _INTERVAL, {}  # type: ignore[var-annotated]
    while True:
        await asyncio.sleep(every)
        with suppress(psutil.Error):
            cpu, memory = _processes(psutil.Process(pid), known)
            series.append(Usage(time.monotonic() - started, cpu, memory, *_devices(gpus)))
        if len(series) > _MAX_SAMPLES:
            series[:], every = series[::2], every * 2


def _processes(leader: psutil.Process, known: dict[int, psutil.Process]) -> tuple[float, float]:
    """CPU percent since the last sample and resident MiB of a process and all its descendants."""
    cpu = memory = 0.0
    for process in (leader, *leader.children(recursive=True)):
        with suppress(psutil.Error):
            same = known.setdefault(process.pid, process)
            cpu += same.cpu_percent()
            memory += same.memory_info().rss / 2**20
    return cpu, memory


def _devices(gpus: Sequence[str]) -> tuple[float, float, float]:
    """Mean load in percent, memory in MiB and highest temperature of some GPUs; zeros where there are none."""
    if not gpus:
        return 0.0, 0.0, 0.0
    load = memory = celsius = 0.0
    for name in gpus:
        by_name = pynvml.nvmlDeviceGetHandleByUUID if name.startswith("GPU-") else None
        handle = by_name(name) if by_name else pynvml.nvmlDeviceGetHandleByIndex(int(name))
        load += pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / len(gpus)
        memory += pynvml.nvmlDeviceGetMemoryInfo(handle).used / 2**20
        celsius = max(celsius, pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    return load, memory, float(celsius)


def as_markdown(series: list[Usage]) -> str:
    """Means, peaks and curves, for an artifact that shows without a network."""
    rows = [
        ("CPU, % of one core", [u.cpu for u in series]),
        ("memory, MiB", [u.memory for u in series]),
        ("GPU load, %", [u.gpu for u in series]),
        ("GPU memory, MiB", [u.gpu_memory for u in series]),
        ("GPU temperature, °C", [u.celsius for u in series]),
    ]
    lines = ["| | mean | peak | over time |", "|---|---|---|---|"]
    for name, values in rows:
        if any(values):
            curve = f"![{name}]({_sparkline(values)})"
            lines.append(f"| {name} | {sum(values) / len(values):.0f} | {max(values):.0f} | {curve} |")
    return "\n".join([*lines, "", f"{series[-1].seconds:.0f} s, {len(series)} samples."])


def _sparkline(values: list[float], width: int = 240, height: int = 36) -> str:
    """A small curve as a ``data:`` address."""
    top = max(values) or 1.0
    step = width / max(1, len(values) - 1)
    points = " ".join(f"{i * step:.1f},{height - 2 - (height - 4) * v / top:.1f}" for i, v in enumerate(values))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<polyline points="{points}" fill="none" stroke="#36c" stroke-width="1.5"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()

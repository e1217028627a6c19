"""Speed and memory of work on a GPU."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.full_size import DEVICE


@dataclass(frozen=True)
class Measured:
    """One row: images a second, and the most memory that was in use, in GiB."""

    rate: float
    memory: float


Found = dict[str, dict[str, Measured]]


def measure(images: int, work: Callable[[], Any]) -> Measured:
    """Do ``work``, which makes or learns from so many ``images``; whatever it needs at first is done before."""
    settle()
    start = time.perf_counter()
    work()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    took = time.perf_counter() - start
    memory = torch.cuda.max_memory_allocated() / 2**30 if DEVICE.type == "cuda" else float("nan")
    return Measured(images / took, memory)


def settle() -> None:
    gc.collect()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

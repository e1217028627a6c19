"""What memory stages need, and what this machine has of it; all in MiB."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from flows.run_logs import STAGE_LOG, rows

if TYPE_CHECKING:
    from flows.plan import Stage

CGROUP = Path("/sys/fs/cgroup")
_WEIGHTS = ("*.safetensors", "*.bin")  # the second where there is none of the first


class Peaks:
    """The highest peaks of earlier runs in this clone, by what ran: a stage's module and its arguments."""

    def __init__(self) -> None:
        self._peaks: dict[tuple[str, ...], int] = {}
        for row in rows(STAGE_LOG):
            key = (str(row.get("stage")), *map(str, row.get("arguments", ())))
            self._peaks[key] = max(self._peaks.get(key, 0), int(row.get("peak_mib", 0)))

    def need(self, command: str, declared: int) -> int:
        """The larger of what is ``declared``, with the weights that ``command`` names on top, and what was measured."""
        words = shlex.split(command)
        if "-m" not in words[:-1]:
            return declared
        module, *arguments = words[words.index("-m") + 1 :]
        weights = [Path(after) for flag, after in pairwise(arguments) if flag == "--weights"]
        measured = self._peaks.get((module.rpartition(".")[2], *arguments), 0)
        return max(declared + sum(map(weights_size, weights)), measured) if declared else measured


def weights_size(folder: Path) -> int:
    """MiB of the weights of a model in diffusers' layout: of its parts, else of the folder itself."""
    parts = [_weights(part) for part in folder.iterdir() if part.is_dir()] if folder.is_dir() else []
    return round((sum(parts) or _weights(folder)) / 2**20)


def _weights(folder: Path) -> int:
    """Bytes of the weights in one folder; copies of them in half precision are not loaded."""
    for pattern in _WEIGHTS:
        if sizes := [file.stat().st_size for file in folder.glob(pattern) if ".fp16." not in file.name]:
            return sum(sizes)
    return 0


def free_memory() -> int:
    """What this process may still take: what the machine has available, or what its control group leaves."""
    return min([psutil.virtual_memory().available, *_left_by_groups()]) // 2**20


def _left_by_groups() -> list[int]:
    """Bytes left by the limit of the control group, as a container or a cluster's job has one (cgroups v2 and v1).

    Pages of files that the kernel gives back when asked are not in use.
    """
    left = []
    for limit, used, kept in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, now = (int((CGROUP / name).read_text()) for name in (limit, used))
            stat = dict(line.split() for line in (CGROUP / limit).with_name("memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such group, or its limit is "max"
            continue
        left.append(max(0, most - now + min(now, int(stat.get(kept, 0)))))
    return left


@dataclass(frozen=True)
class Needs:
    """What a run needs at once: ``memory`` in MiB and ``gpus``; ``too_large``: stages that the machine can't hold."""

    memory: int
    gpus: int
    too_large: tuple[str, ...]


def needs(plan: Sequence["Stage"], running: Iterable[str], cores: int, gpus: int, memory: float) -> Needs:
    """Estimate what the stages ``running`` of a plan need on a machine of so much, as if each took as long as another.

    They start in the plan's order once what they need has ended; one larger than the machine gets all of it, alone.
    """
    left = {stage.name: stage for stage in plan if stage.name in set(running)}
    too_large = tuple(name for name, stage in left.items() if stage.memory > memory)
    machine = {"cores": float(cores), "gpus": float(gpus), "memory": float(memory)}
    most_memory = most_gpus = 0
    while left:
        free = dict(machine)
        together: list[Stage] = []
        for stage in (s for s in left.values() if not left.keys() & set(s.needs)):
            asked = {kind: min(getattr(stage, kind), all_of) for kind, all_of in machine.items()}
            if all(n <= free[kind] for kind, n in asked.items()):
                free = {kind: n - asked[kind] for kind, n in free.items()}
                together.append(stage)
        most_memory = max(most_memory, sum(s.memory for s in together))
        most_gpus = max(most_gpus, sum(s.gpus for s in together))
        left = {name: s for name, s in left.items() if s not in together}
    return Needs(most_memory, most_gpus, too_large)

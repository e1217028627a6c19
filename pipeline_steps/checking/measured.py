"""Run a profile's stages for a few steps, beside everything, and tell what a unit of each kind of work takes."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from pipeline_steps.checking.plan import Task
from pipeline_steps.checking.probe import PLAN, RESULTS

_LINKED = ("config", "dvc.yaml", "pipeline_steps")
_MODELS = ("base", "none", "revisions")
_AN_IMAGE = ("ingest", "audit")


class Rate(NamedTuple):
    """Seconds of a stage that are there whatever it does, and seconds and bytes a unit of its work."""

    fixed: float
    each: float
    size: float


class Probed(NamedTuple):
    """Rates by kind of work, why others have none, seconds to start a stage, and the peaks of memory."""

    rates: dict[str, Rate]
    failed: dict[str, str]
    start: float
    peak_mib: int
    gpu_mib: int
    seconds: float


def probe(tasks: Sequence[Task], params: Mapping[str, Any], most: float) -> Probed:
    """Run the tasks in a process and a folder of their own, for ``most`` seconds; what was measured by then."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="equiderm-check-") as name:
        folder = Path(name)
        _furnish(folder, params, tasks)
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
        environment["EQUIDERM_ITEMS"] = str(folder / "items")
        with (folder / "errors.txt").open("w") as errors:
            child = subprocess.Popen(
                [sys.executable, "-m", "pipeline_steps.checking.probe"],
                cwd=folder,
                env=environment,
                stdout=errors,
                stderr=errors,
            )
            try:
                child.wait(timeout=most)
            except subprocess.TimeoutExpired:
                pass
            finally:
                child.kill()
                child.wait()
        lines = (folder / RESULTS).read_text("utf-8").splitlines() if (folder / RESULTS).exists() else []
    return _rates(tasks, [json.loads(line) for line in lines], most, time.monotonic() - started)


def _furnish(folder: Path, params: Mapping[str, Any], tasks: Sequence[Task]) -> None:
    """A folder in which stages find what they read, and whose outputs are nobody's."""
    for name in _LINKED:
        (folder / name).symlink_to(Path(name).resolve())
    (folder / "models").mkdir()
    for name in _MODELS:
        if (place := Path("models") / name).exists():
            (folder / "models" / name).symlink_to(place.resolve())
    with (folder / "params.yaml").open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(dict(params), stream)
    (folder / PLAN).write_text(json.dumps([task._asdict() for task in tasks]), "utf-8")


def _rates(tasks: Sequence[Task], results: Sequence[Mapping[str, Any]], most: float, seconds: float) -> Probed:
    rates: dict[str, Rate] = {}
    failed: dict[str, str] = {}
    for result in results:
        task = tasks[result["task"]]
        for kind in task.kinds:
            if "error" in result:
                failed[kind] = str(result["error"])
            else:
                rates[kind] = _rate(task, result)
    for task in tasks[len(results) :]:
        failed |= dict.fromkeys(task.kinds, f"not reached within {most:.0f} s; give it more by --probe")
    done = [result for result in results if "error" not in result]
    start = sum(r["import_s"] for r in done)
    memory, gpu = (max((int(r[key]) for r in done), default=0) for key in ("peak_mib", "gpu_mib"))
    return Probed(rates, failed, start, memory, gpu, seconds)


def _rate(task: Task, result: Mapping[str, Any]) -> Rate:
    """What the longest loop took is its units'; the rest is there whatever the stage does.

    Stages that read the whole data set are measured an image.
    """
    if task.kinds[0] in _AN_IMAGE:
        return Rate(0.0, result["seconds"] / max(1, result["images"]), 0.0)
    size = result["bytes"] / (task.units if task.kinds[0].startswith("generate ") else 1)
    fixed = max(0.0, result["seconds"] - result["loop_s"])
    return Rate(fixed, task.factor * result["steady_s"] / task.units, size)

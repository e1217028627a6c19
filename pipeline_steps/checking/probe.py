"""Run a plan's stages one after another in this process, and write how long each took.

``python -m pipeline_steps.checking.probe``, in a folder of its own with ``plan.json`` and ``params.yaml``: what they
write stays there. Each is imported by its name, as DVC would start it; libraries are imported once.
"""

import contextlib
import importlib
import itertools
import json
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline_steps.stage.progress import Track

PLAN, RESULTS = Path("plan.json"), Path("results.jsonl")
_LOOPS: list[list[float]] = []  # when each item of each loop under a bar began, and when the last one ended


def main() -> None:
    """Run all, each with its parameters; one that fails is noted, and the others are tried."""
    params = YAML(typ="safe").load(Path("params.yaml").read_text("utf-8"))
    _watch_loops()
    for number, task in enumerate(json.loads(PLAN.read_text("utf-8"))):
        for place, value in task["set"].items():
            _put(params, place.split("."), value)
        with Path("params.yaml").open("w", encoding="utf-8") as stream:
            YAML(typ="safe", pure=True).dump(params, stream)
        result = _timed(task)
        with RESULTS.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"task": number, **result}) + "\n")


def _timed(task: dict[str, Any]) -> dict[str, Any]:
    _LOOPS.clear()
    started = time.monotonic()
    try:
        with Path("log.txt").open("a", encoding="utf-8") as log, contextlib.redirect_stdout(log):
            module = importlib.import_module(task["module"])
            imported = time.monotonic()
            sys.argv = [task["module"], *task["arguments"]]
            module.main()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a part that can't be measured is one
        return {"error": str(error).splitlines()[0] if str(error) else type(error).__name__}
    ended = time.monotonic()
    return {
        "import_s": imported - started,
        "seconds": ended - imported,
        **_longest_loop(),
        "bytes": _size(Path(task["out"])) if task["out"] else 0,
        "images": _images(),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "gpu_mib": _gpu_mib(),
    }


def _gpu_mib() -> int:
    torch = sys.modules.get("torch")
    return torch.cuda.max_memory_allocated() // 2**20 if torch and torch.cuda.is_available() else 0


def _watch_loops() -> None:
    """Have every loop that shows its progress note the time of each item."""
    shown = Track.__iter__

    def noted(self: Track[Any]) -> Iterator[Any]:
        moments: list[float] = []
        _LOOPS.append(moments)
        for item in shown(self):
            moments.append(time.monotonic())
            yield item
        moments.append(time.monotonic())

    Track.__iter__ = noted  # type: ignore[method-assign]


def _longest_loop() -> dict[str, float]:
    """Of the loop that took longest its seconds, and those that its items take: the first ones are slower."""
    longest = max(_LOOPS, key=lambda moments: moments[-1] - moments[0], default=[0.0, 0.0])
    each = [after - before for before, after in itertools.pairwise(longest)]
    return {"loop_s": sum(each), "steady_s": statistics.median_low(each) * len(each) if each else 0.0}


def _images() -> int:
    """How many images the probe's data set has."""
    import pyarrow.parquet as pq

    manifest = Path("data/dataset/manifest.parquet")
    return int(pq.read_metadata(manifest).num_rows) if manifest.exists() else 0


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(f.stat().st_size for f in files if f.is_file())


def _put(params: dict[str, Any], place: list[str], value: object) -> None:
    for key in place[:-1]:
        params = params[key]
    params[place[-1]] = value


if __name__ == "__main__":
    main()

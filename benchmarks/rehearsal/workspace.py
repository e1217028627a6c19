"""A clone a size, in which stages run one by one; what each cost is kept, so that none runs twice."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.rehearsal.profiles import NAME
from flows.run_logs import STAGE_LOG, rows
from pipeline_steps.stage.params import read_yaml

_ITEMS, _BEFORE = Path("cache/items"), Path("cache/items_before")
_CODE = ("pipeline_steps", "config", "models", "dvc.yaml")


@dataclass(frozen=True)
class Cost:
    """What a stage took: seconds on the clock with DVC's, processor seconds and MiB of its own, and the load after."""

    stage: str
    wall_s: float
    cpu_s: float
    peak_mib: int
    load: float


@dataclass(frozen=True)
class Workspace:
    """Where a profile runs: a clone in ``folder``, and a file ``results`` of what its stages cost."""

    folder: Path
    results: Path
    overlay: dict[str, Any]

    def costs(self) -> list[Cost]:
        """What has been measured, in order."""
        return [Cost(**row) for row in rows(self.results)]

    def prepare(self) -> None:
        """A clone of the last commit, with the profile chosen; nothing where it is there."""
        if (self.folder / "params.yaml").exists() and (self.folder / "rehearsed").exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", ".", str(self.folder)], check=True)
        with (self.folder / f"config/profiles/{NAME}.yaml").open("w", encoding="utf-8") as stream:
            YAML(typ="safe", pure=True).dump(self.overlay, stream)
        self._call("pipeline_steps.configure", NAME, "--discard")
        self._call("dvc", "config", "--local", "cache.type", "hardlink,copy")
        (self.folder / "rehearsed").touch()

    def stages(self, verbs: Iterable[str] = ()) -> list[str]:
        """Names of the stages in the order in which they run; of the ``verbs`` alone, if there are any."""
        cells, wanted = read_yaml(self.folder / "cells.yaml")["cells"], set(verbs)
        names = list(_names(read_yaml(self.folder / "dvc.yaml")["stages"], cells))
        return [name for name in names if not wanted or name.partition("@")[0] in wanted]

    def run(self, stage: str) -> Cost:
        """Run a stage with the items that were there before it was first begun; keep what it cost.

        Raises:
            CalledProcessError: it failed.
        """
        self._items_as_before()
        known, began = len(rows(self.folder / STAGE_LOG)), time.monotonic()
        self._call("dvc", "repro", "-q", "--single-item", "--force", stage)
        wall = time.monotonic() - began
        row = rows(self.folder / STAGE_LOG)[known:][-1]
        cost = Cost(stage, round(wall, 2), row["cpu_s"], row["peak_mib"], round(os.getloadavg()[0], 2))
        with self.results.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(cost)) + "\n")
        shutil.rmtree(self.folder / _BEFORE, ignore_errors=True)
        return cost

    def clear(self) -> None:
        """Remove the clone; what its stages cost stays."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _items_as_before(self) -> None:
        """Take away the items of a run that was cut off, which would make the stage cheaper now; copy the others.

        Files of the store are only ever replaced, so that a link keeps them; its index is changed in place.
        """
        items, before = self.folder / _ITEMS, self.folder / _BEFORE
        if before.exists():
            shutil.rmtree(items, ignore_errors=True)
            before.rename(items)
        unfinished = before.with_name("items_copied")
        shutil.rmtree(unfinished, ignore_errors=True)
        items.mkdir(parents=True, exist_ok=True)
        shutil.copytree(items, unfinished, copy_function=_link_or_copy)
        unfinished.rename(before)

    def _call(self, module: str, *arguments: str) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "EQUIDERM_ITEMS"}}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"error: in {self.folder}, {module} {' '.join(arguments)} failed:\n{done.stdout[-3000:]}")


def _link_or_copy(source: str, target: str) -> None:
    if Path(source).parent.name == _ITEMS.name:
        shutil.copy2(source, target)
    else:
        os.link(source, target)


def _names(stages: dict[str, Any], cells: dict[str, Any]) -> Iterator[str]:
    for verb, body in stages.items():
        if body.get("frozen") or body.get("do", {}).get("frozen"):
            continue
        if "foreach" in body:
            yield from (f"{verb}@{key}" for key in cells[body["foreach"].removeprefix("${cells.").removesuffix("}")])
        else:
            yield verb


def workspace(place: Path, name: str, overlay: dict[str, Any]) -> Workspace:
    """The workspace ``name`` of today's committed code and this profile; those of other code are removed."""
    tree = subprocess.run(["git", "rev-parse", *(f"HEAD:{p}" for p in _CODE)], capture_output=True, check=True).stdout
    key = hashlib.sha256(tree + json.dumps(overlay, sort_keys=True).encode()).hexdigest()[:10]
    for old in place.glob(f"{name}-*"):
        if old.name.partition(".")[0] != f"{name}-{key}":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    return Workspace(place / f"{name}-{key}", place / f"{name}-{key}.jsonl", overlay)

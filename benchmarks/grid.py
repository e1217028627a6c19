"""What DVC and the flow themselves cost at the size of the paper's grid: ``python -m benchmarks.grid``; docs/grid.md.

The stages, dependencies and parameters of this repository with the paper profile's grid, in a fresh clone; every
command only writes small files where the stage's outputs belong. So the times are bookkeeping alone.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from benchmarks.flow import timed
from flows.code_digests import DIGESTS, STAGE
from flows.server import start_server
from pipeline_steps.configuration.comments import written
from pipeline_steps.configuration.profiles import library
from pipeline_steps.stage.params import read_yaml

DOCS = Path("docs")
PLAN = "the plan (`--dry-run`)"
Times = tuple[float, float, str]  # wall and processor seconds, and what was said
PAGE = """# What the bookkeeping of the paper's grid costs

Made by `./run python -m benchmarks.grid` on {cores} cores: the paper profile's grid ({stages} stages) with commands
that only write small files, so that what is measured is what DVC and the flow themselves need.

| nothing to do | wall seconds | processor seconds |
|---|---|---|
{rows}

`params.yaml` holds what the grid reaches, {small:.1f} kB; with all methods of the profile it would be {large:.1f} kB.
Plain DVC parses the file for each stage and compares each name with all; `./run dvc` and the flow parse it once.

At a6d1346, whose `params.yaml` had 36.9 kB, the same took, on the same machine with others at work on it: the flow,
which starts a server, 14.2 to 15.8 processor seconds, plain `dvc repro` 47.8 to 57.7 (three runs each).

| some stages run | stages | wall seconds | processor seconds | of those, a stage |
|---|---|---|---|---|
{some}

Plain `dvc repro` parses and writes all of `dvc.lock` anew for each stage that ran; the flow replaces that stage's
block, and keeps what blocks say, so that only new ones are parsed. The flow's row holds Prefect's and the plan's share,
too.
"""
STAND_IN = """import sys
from pathlib import Path

import yaml

for name in sys.argv[1:]:
    path = Path(name)
    if name == "data/splits":
        cells = yaml.safe_load(Path("cells.yaml").read_text())["cells"]
        names = {c["split"] for verb in cells.values() for c in verb.values() if "split" in c}
        files = [path / f"{n}.parquet" for n in sorted(names)]
    else:
        files = [path if path.suffix else path / "content"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'{{"made": "{file}"}}' if file.suffix == ".json" else name)
"""


def paths(outs: list[Any]) -> list[str]:
    """Names of outputs, with or without options."""
    return [next(iter(o)) if isinstance(o, Mapping) else o for o in outs]


def make(place: Path) -> Path:
    """A clone with the paper's grid and stand-ins for all commands that are not frozen."""
    subprocess.run(["git", "clone", "-q", ".", str(place)], check=True)
    grid = {"grid": read_yaml(place / "config/profiles/paper.yaml")["grid"]}
    with (place / "config/profiles/papers_grid.yaml").open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(grid, stream)
    subprocess.run([sys.executable, "-m", "pipeline_steps.configure", "papers_grid"], cwd=place, check=True)
    pipeline = read_yaml(place / "dvc.yaml")
    for name, stage in pipeline["stages"].items():
        body = stage.get("do", stage)
        if _has_stand_in(name, stage):
            made = paths(body.get("outs", []) + body.get("metrics", []))
            body["cmd"] = f"exec python stand_in.py {' '.join(made)}"
    with (place / "dvc.yaml").open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(pipeline, stream)
    (place / "stand_in.py").write_text(STAND_IN)
    subprocess.run([sys.executable, "-m", "pipeline_steps.digest_code", "--out", str(DIGESTS)], cwd=place, check=True)
    for stage in cells_of(place):
        subprocess.run([sys.executable, "stand_in.py", *stage], cwd=place, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "-q"], cwd=place, check=True)
    return place


def _has_stand_in(name: str, stage: Mapping[str, Any]) -> bool:
    """Whether the stage is a stand-in here: not what never runs, nor what all others take the names of files from."""
    return not stage.get("frozen") and name != STAGE


def cells_of(place: Path) -> list[list[str]]:
    """What each group of stages with a stand-in makes, cells spelled out."""
    cells, made = read_yaml(place / "cells.yaml")["cells"], []
    for name, stage in read_yaml(place / "dvc.yaml")["stages"].items():
        if not _has_stand_in(name, stage):
            continue
        body = stage.get("do", stage)
        outs = paths(body.get("outs", []) + body.get("metrics", []))
        keys = cells[stage["foreach"].removeprefix("${cells.").removesuffix("}")] if "foreach" in stage else {"": {}}
        if files := [out.replace("${key}", key) for key in keys for out in outs]:
            made.append(files)
    return made


def idle_times(clone: Path) -> dict[str, Times]:
    """What it takes where nothing has changed and no Prefect server runs."""
    times = {"the flow, which sees this lock for the first time": timed("flows.augment", cwd=clone)}
    times["the flow, again"] = timed("flows.augment", cwd=clone)
    times[PLAN] = timed("flows.augment", "--dry-run", cwd=clone)
    assert "0 of" in times[PLAN][2], times[PLAN][2]
    return times | repro_times(clone)


def repro_times(clone: Path) -> dict[str, Times]:
    """What it takes DVC where nothing has changed: as this project calls it, and by itself."""
    return {
        "`./run dvc repro`": timed("flows.run_dvc", "repro", cwd=clone),
        "`dvc repro`": timed("dvc", "repro", cwd=clone),
    }


def keep_all_parameters(clone: Path) -> None:
    """Have ``params.yaml`` hold every method of the profile, reached by the grid or not, and all be up to date."""
    with contextlib.chdir(clone):
        everything = library("papers_grid").params
    (clone / "params.yaml").write_text(written(everything, {}), "utf-8")
    subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "-q"], cwd=clone, check=True)


def served_times(clone: Path) -> tuple[Times, str]:
    """With a Prefect server running: the flow where nothing has changed; rows of a table where some stages run."""
    server = start_server(4274)
    try:
        idle = timed("flows.augment", cwd=clone)
        flow = timed("flows.augment", "--target", "invert_tokens", "--force", cwd=clone)
    finally:
        server.terminate()
        server.wait()
    dvc = timed("dvc", "repro", "--force", "--single-item", "invert_tokens", cwd=clone)
    ran = {"the flow": (flow, int(re.findall(r"(\d+) run,", flow[2])[-1]))}
    ran["`dvc repro`"] = (dvc, dvc[2].count("Running stage"))
    rows = [f"| {what} | {n} | {t[0]:.0f} | {t[1]:.0f} | {t[1] / n:.2f} |" for what, (t, n) in ran.items()]
    return idle, "\n".join(rows)


def measure(clone: Path) -> str:
    """The page."""
    small = (clone / "params.yaml").stat().st_size
    idle = idle_times(clone)
    stages = re.findall(r"of (\d+) stages", idle[PLAN][2])[-1]
    idle["the flow, with a Prefect server running"], some = served_times(clone)
    keep_all_parameters(clone)
    large = (clone / "params.yaml").stat().st_size
    idle |= {f"{what}, all parameters": times for what, times in repro_times(clone).items()}
    rows = "\n".join(f"| {what} | {t[0]:.1f} | {t[1]:.1f} |" for what, t in idle.items())
    return PAGE.format(cores=os.cpu_count(), stages=stages, rows=rows, some=some, small=small / 1e3, large=large / 1e3)


def main() -> None:
    """Measure and write; what is given is a clone that ``make`` has left before."""
    with TemporaryDirectory() as folder:
        os.environ["PREFECT_HOME"] = str(Path(folder, "prefect"))
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        clone = Path(sys.argv[1]) if sys.argv[1:] else make(Path(folder, "clone"))
        (DOCS / "grid.md").write_text(measure(clone), "utf-8")
    print((DOCS / "grid.md").read_text())


if __name__ == "__main__":
    main()

"""What DVC and the flow themselves cost at the size of the paper's grid: ``python -m benchmarks.grid``; docs/grid.md.

The stages, dependencies and parameters of this repository with the paper profile's grid, in a fresh clone; every
command only writes small files where the stage's outputs belong. So the times are bookkeeping alone.
"""

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
from flows.server import start_server
from pipeline_steps.stage.params import read_yaml

DOCS = Path("docs")
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
    for stage in pipeline["stages"].values():
        body = stage.get("do", stage)
        if not stage.get("frozen"):
            made = paths(body.get("outs", []) + body.get("metrics", []))
            body["cmd"] = f"exec python stand_in.py {' '.join(made)}"
    with (place / "dvc.yaml").open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(pipeline, stream)
    (place / "stand_in.py").write_text(STAND_IN)
    for stage in cells_of(place):
        subprocess.run([sys.executable, "stand_in.py", *stage], cwd=place, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "-q"], cwd=place, check=True)
    return place


def cells_of(place: Path) -> list[list[str]]:
    """What each group of stages that is not frozen makes, cells spelled out."""
    cells, made = read_yaml(place / "cells.yaml")["cells"], []
    for stage in read_yaml(place / "dvc.yaml")["stages"].values():
        if stage.get("frozen"):
            continue
        body = stage.get("do", stage)
        outs = paths(body.get("outs", []) + body.get("metrics", []))
        keys = cells[stage["foreach"].removeprefix("${cells.").removesuffix("}")] if "foreach" in stage else {"": {}}
        if files := [out.replace("${key}", key) for key in keys for out in outs]:
            made.append(files)
    return made


def main() -> None:
    """Measure and write."""
    with TemporaryDirectory() as folder:
        os.environ["PREFECT_HOME"] = str(Path(folder, "prefect"))
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        clone = make(Path(folder, "clone"))
        server = start_server(4274)
        try:
            idle = {"the flow, which sees this lock for the first time": timed("flows.augment", cwd=clone)}
            idle["the flow, again"] = timed("flows.augment", cwd=clone)
            idle["`dvc repro`"] = timed("dvc", "repro", cwd=clone)
            plan = timed("flows.augment", "--dry-run", cwd=clone)
            some = timed("flows.augment", "--target", "invert_tokens", "--force", cwd=clone)
            other = timed("dvc", "repro", "--force", "--single-item", "invert_tokens", cwd=clone)
        finally:
            server.terminate()
            server.wait()
        stages = read_yaml(clone / "dvc.lock")["stages"]
    assert "0 of" in plan[2], plan[2]
    count = {"flow": int(re.findall(r"(\d+) run,", some[2])[-1]), "dvc": other[2].count("Running stage")}
    rows = "\n".join(f"| {name} | {t[0]:.1f} | {t[1]:.1f} |" for name, t in idle.items())
    each = some[1] / count["flow"]
    (DOCS / "grid.md").write_text(
        "# What the bookkeeping of the paper's grid costs\n\n"
        f"Made by `./run python -m benchmarks.grid` on {os.cpu_count()} cores, with a Prefect server running: the "
        f"paper profile's grid ({len(stages)} stages) with commands that only write small files, so that what is "
        "measured is what DVC and the flow themselves need.\n\n"
        f"| nothing to do | wall seconds | processor seconds |\n|---|---|---|\n{rows}\n"
        f"| the plan (`--dry-run`) | {plan[0]:.1f} | {plan[1]:.1f} |\n\n"
        f"| some stages run | stages | wall seconds | processor seconds | of those, a stage |\n|---|---|---|---|---|\n"
        f"| the flow | {count['flow']} | {some[0]:.0f} | {some[1]:.0f} | {each:.2f} |\n"
        f"| `dvc repro` | {count['dvc']} | {other[0]:.0f} | {other[1]:.0f} | {other[1] / count['dvc']:.2f} |\n\n"
        "Plain `dvc repro` parses and writes all of `dvc.lock` anew for each stage that ran; the flow replaces that "
        "stage's block, and keeps what blocks say, so that only new ones are parsed. The flow's row holds Prefect's "
        "and the plan's share, too.\n\n"
        f"So the flow's bookkeeping is under 2 % of the compute where a stage takes more than {each * 50:.0f} s of "
        "processor time on the average.\n",
        "utf-8",
    )
    print((DOCS / "grid.md").read_text())


if __name__ == "__main__":
    main()

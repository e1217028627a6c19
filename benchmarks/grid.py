"""What DVC and the flow themselves cost at the size of the paper's grid: ``python -m benchmarks.grid``; docs/grid.md.

The stages, dependencies and parameters of this repository with the paper profile's grid, in a fresh clone; every
command only writes small files where the stage's outputs belong. So the times are bookkeeping alone.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from benchmarks.flow import timed
from flows.plan import read_plan
from flows.serve import start_server
from pipeline_steps.profile import overlaid
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
        file.write_text(name)
"""


def paths(outs: list[Any]) -> list[str]:
    """Names of outputs, with or without options."""
    return [next(iter(o)) if isinstance(o, Mapping) else o for o in outs]


def make(place: Path) -> Path:
    """A clone with the paper's grid and stand-ins for all commands that are not frozen."""
    subprocess.run(["git", "clone", "-q", ".", str(place)], check=True)
    grid = read_yaml(place / "profiles/paper.yaml")["grid"]
    params = place / "params.yaml"
    params.write_text(overlaid(params.read_text("utf-8"), {"grid": grid}), "utf-8")
    subprocess.run([sys.executable, "-m", "pipeline_steps.cells"], cwd=place, check=True, stdout=subprocess.DEVNULL)
    pipeline = read_yaml(place / "dvc.yaml")
    for stage in pipeline["stages"].values():
        body = stage.get("do", stage)
        if not stage.get("frozen"):
            made = paths(body.get("outs", []) + body.get("metrics", []))
            body["cmd"] = f"exec python stand_in.py {' '.join(made)}"
    with (place / "dvc.yaml").open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(pipeline, stream)
    (place / "stand_in.py").write_text(STAND_IN)
    return place


def forget(clone: Path) -> None:
    """Forget what has been made, except the frozen stages."""
    shutil.rmtree(clone / ".dvc/cache", ignore_errors=True)
    subprocess.run(["git", "clean", "-qfdX"], cwd=clone, check=True)
    subprocess.run(["git", "checkout", "-q", "dvc.lock"], cwd=clone, check=True)
    subprocess.run([sys.executable, "-m", "pipeline_steps.cells"], cwd=clone, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Measure and write."""
    with TemporaryDirectory() as folder:
        os.environ["PREFECT_HOME"] = str(Path(folder, "prefect"))
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        clone = make(Path(folder, "clone"))
        home = Path.cwd()
        os.chdir(clone)
        stages = len(read_plan())
        os.chdir(home)
        server = start_server(4274)
        try:
            rows = []
            for name, command in (("`dvc repro`", ("dvc", "repro")), ("the flow", ("flows.augment",))):
                forget(clone)
                full, no_op = timed(*command, cwd=clone), timed(*command, cwd=clone)
                rows.append((name, full[0], full[1], full[1] / stages, no_op[0], no_op[1]))
            plan = timed("flows.augment", "--dry-run", cwd=clone)
        finally:
            server.terminate()
            server.wait()
        ran = re.search(r"(\d+) of (\d+) stages may run", plan[2])
        assert ran, plan[2]
    table = "\n".join(f"| {row[0]} | " + " | ".join(f"{v:.1f}" for v in row[1:]) + " |" for row in rows)
    (DOCS / "grid.md").write_text(
        "# What the bookkeeping of the paper's grid costs\n\n"
        f"Made by `uv run python -m benchmarks.grid` on {os.cpu_count()} cores, with a Prefect server running: the "
        f"paper profile's grid ({stages} stages) with commands that only write small files.\n\n"
        "| | all stages, wall seconds | processor seconds | of that, a stage | nothing to do, wall seconds "
        "| processor seconds |\n|---|---|---|---|---|---|\n"
        f"{table}\n\nThe plan (`--dry-run`): {plan[0]:.1f} s of wall, {plan[1]:.1f} s of processor time.\n",
        "utf-8",
    )
    print((DOCS / "grid.md").read_text())


if __name__ == "__main__":
    main()

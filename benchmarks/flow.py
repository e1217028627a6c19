"""The flow beside plain ``dvc repro``: ``python -m benchmarks.flow``; ends docs/flow.md; makes docs/ui_*.png.

Three comparisons: the default pipeline in two fresh clones, one by each (their ``dvc.lock`` must be the same bytes); a
second run that has nothing to do; and two independent stages that each use one core.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.server import start_server

DOCS = Path("docs")
BURN = "import sys, time\nwhile time.process_time() < 20:\n    pass\nopen(sys.argv[1], 'w').write(sys.argv[1])\n"
BRANCHES = ("left", "right")
HEADING = "## Beside plain `dvc repro`\n\n"  # what stands above it is written by hand


def timed(*command: str, cwd: Path) -> tuple[float, float, str]:
    """Wall seconds, processor seconds of the command and all it started, and what it said."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)} failed:\n{done.stdout[-3000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def clone(to: Path) -> Path:
    """A fresh clone of the last commit."""
    subprocess.run(["git", "clone", "-q", ".", str(to)], check=True)
    return to


def two_branches(place: Path) -> tuple[float, float]:
    """Wall seconds of two stages of 20 processor seconds: by dvc, by the flow."""
    made = clone(place)
    (made / "burn.py").write_text(BURN)
    stages = (f"  {b}:\n    cmd: exec python burn.py {b}\n    deps: [burn.py]\n    outs: [{b}]\n" for b in BRANCHES)
    (made / "dvc.yaml").write_text("stages:\n" + "".join(stages))
    (made / "dvc.lock").unlink()
    walls = []
    for command in (("dvc", "repro"), ("flows.augment",)):
        walls.append(timed(*command, cwd=made)[0])
        shutil.rmtree(made / ".dvc/cache", ignore_errors=True)
        for name in (*BRANCHES, "dvc.lock"):
            (made / name).unlink()
    return walls[0], walls[1]


def default_runs(place: Path) -> dict[str, float]:
    """Wall seconds of the default pipeline in two fresh clones: by dvc, by the flow. Kept, as they take long."""
    kept = place / "default.json"
    if not kept.exists():
        plain, flow = clone(place / "plain"), clone(place / "flow")
        by_dvc = timed("dvc", "repro", cwd=plain)[0]
        said = timed("benchmarks.screenshots", cwd=flow)[2]
        by_flow = float(re.search(r"the flow took (\d+) s", said)[1])  # type: ignore[index]
        kept.write_text(json.dumps({"dvc": by_dvc, "flow": by_flow}))
    return dict(json.loads(kept.read_text()))


def main() -> None:
    """Measure, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="work in this folder; clones that have run there are not run again")
    keep = parser.parse_args().keep
    with TemporaryDirectory() as folder:
        place = keep or Path(folder)
        os.environ["PREFECT_HOME"] = str(Path(folder, "prefect").resolve())
        default = default_runs(place)
        plain, flow = place / "plain", place / "flow"
        same = (plain / "dvc.lock").read_bytes() == (flow / "dvc.lock").read_bytes()
        for picture in (flow / "docs").glob("ui_*.png"):
            shutil.copy(picture, DOCS)
        rows = [("default pipeline, fresh clone, wall seconds", default["dvc"], default["flow"])]
        server = start_server(4273)
        try:
            idle, idle_by_flow = timed("dvc", "repro", cwd=plain), timed("flows.augment", cwd=flow)
            branches = two_branches(Path(folder, "branches"))
        finally:
            server.terminate()
            server.wait()
        rows += [(f"nothing to do, {n} seconds", idle[k], idle_by_flow[k]) for k, n in enumerate(("wall", "processor"))]
        rows.append(("two stages of 20 s on one core each, wall seconds", *branches))
    table = "\n".join(f"| {name} | {a:.1f} | {b:.1f} | {a / b:.2f} |" for name, a, b in rows)
    page = DOCS / "flow.md"
    page.write_text(
        f"{page.read_text('utf-8').split(HEADING)[0]}{HEADING}"
        f"Made by `./run python -m benchmarks.flow` on {os.cpu_count()} cores, with a Prefect server running.\n\n"
        f"| | `dvc repro` | the flow | ratio |\n|---|---|---|---|\n{table}\n\n"
        f"`dvc.lock` of the two clones: {'the same bytes' if same else 'DIFFERENT'}.\n",
        "utf-8",
    )
    print(page.read_text("utf-8"))


if __name__ == "__main__":
    main()

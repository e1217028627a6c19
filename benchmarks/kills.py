"""Kill the flow at random moments until it gets through: ``python -m benchmarks.kills --kills 50``.

Runs the pipeline of this clone's ``params.yaml`` (apply the toy profile first) in a copy: once undisturbed, then
again and again from nothing, killed at seeded random moments: the flow, its ``dvc`` or its stage with SIGKILL, or the
flow with SIGTERM or SIGINT. After each kill no process of the copy may live on; each time it gets through, the digests
in ``dvc.lock`` must equal the undisturbed run's. Writes docs/kills.md.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from flows.server import start_server

DOCS = Path("docs")
KINDS = ("flow KILL", "flow TERM", "flow INT", "dvc KILL", "stage KILL")
_GONE_SECONDS = 20


def processes(clone: Path) -> Iterator[psutil.Process]:
    """Living processes that work in ``clone``."""
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(clone):
                yield process
        except psutil.Error:
            continue


def victim(clone: Path, kind: str, flow: subprocess.Popen[bytes]) -> int:
    """The process that ``kind`` means now; the flow where there is no such process at the moment."""
    sign = {"dvc": "dvc", "stage": "pipeline_steps."}.get(kind.split(maxsplit=1)[0])
    for process in processes(clone) if sign else ():
        line = " ".join(process.cmdline())
        if sign in line and "flows.process_group" not in line and "flows.augment" not in line:
            return process.pid
    return flow.pid


def start(clone: Path) -> subprocess.Popen[bytes]:
    """The flow in ``clone``."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "flows.augment"], cwd=clone, stdout=quiet, stderr=quiet)


def emptied(clone: Path) -> None:
    """Forget all results, the run cache too."""
    for name in ("dvc.lock", ".dvc/cache", ".dvc/tmp", "runs"):
        path = clone / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    subprocess.run(["git", "clean", "-qfdX"], cwd=clone, check=True)


def disturbed(clone: Path, rng: random.Random, seconds: float, kills: Counter[str], most: int) -> list[str]:
    """Run until the flow gets through, killing it on the way while kills are left; what lived on after a kill."""
    orphans = []
    while True:
        flow = start(clone)
        if kills.total() >= most:
            if flow.wait():
                raise RuntimeError("the undisturbed rerun failed")
            return orphans
        try:
            status = flow.wait(rng.uniform(1, seconds))
        except subprocess.TimeoutExpired:
            kind = rng.choice(KINDS)
            kills[kind] += 1
            try:
                os.kill(victim(clone, kind, flow), getattr(signal, f"SIG{kind.split()[1]}"))
            except ProcessLookupError:
                continue
            flow.wait()
            ends = time.monotonic() + _GONE_SECONDS
            while (left := list(processes(clone))) and time.monotonic() < ends:
                time.sleep(0.2)
            orphans += [f"{kind}: {' '.join(p.cmdline())}" for p in left]
        else:
            if status:
                raise RuntimeError(f"after {kills.total()} kills the flow failed by itself, with status {status}")
            return orphans


def main() -> None:
    """Kill, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=16, help="a kill comes within this time of a start")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["PREFECT_HOME"] = f"{place}/prefect"
        server = start_server(4272)
        try:
            clone = Path(place, "clone")
            subprocess.run(["git", "clone", "-q", ".", str(clone)], check=True)
            shutil.copy("params.yaml", clone)
            rng, kills, orphans, through = random.Random(args.seed), Counter[str](), list[str](), 0
            emptied(clone)
            if start(clone).wait():
                sys.exit("error: the undisturbed run failed")
            expected = (clone / "dvc.lock").read_bytes()
            while kills.total() < args.kills:
                emptied(clone)
                orphans += disturbed(clone, rng, args.seconds, kills, args.kills)
                through += 1
                if (clone / "dvc.lock").read_bytes() != expected:
                    sys.exit(f"error: after {kills.total()} kills dvc.lock differs from the undisturbed run's")
                print(f"{kills.total()} kills, {through} runs got through, {len(orphans)} orphans", flush=True)
        finally:
            server.terminate()
            server.wait()
    rows = "\n".join(f"| {kind} | {kills[kind]} |" for kind in KINDS)
    (DOCS / "kills.md").write_text(
        "# Killed at random moments\n\n"
        f"Made by `./run python -m benchmarks.kills --kills {args.kills} --seconds {args.seconds:g}` "
        f"(seed {args.seed}) at toy scale.\n\n| what was killed | times |\n|---|---|\n{rows}\n\n"
        f"{through} runs got through; their `dvc.lock` equals the undisturbed run's byte for byte. "
        f"Processes that lived on after a kill: {len(orphans)}.\n",
        "utf-8",
    )
    if orphans:
        sys.exit("error: lived on: " + "; ".join(orphans))


if __name__ == "__main__":
    main()

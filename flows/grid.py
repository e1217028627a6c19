"""Expand the grid when the parameters have changed since it was last expanded; nothing is started otherwise."""

import hashlib
import subprocess
import sys
from pathlib import Path

PARAMS = Path("params.yaml")
CELLS = Path("cells.yaml")
STAMP = Path("runs/cells.stamp")


def refresh_cells(*, prune: bool) -> None:
    """Run ``python -m pipeline_steps.cells`` if ``params.yaml`` or ``cells.yaml`` is not as it was left.

    ``prune``: what belongs to cells that left the grid goes, too.

    Raises:
        ValueError: the grid names something that does not exist.
    """
    wanted = _wanted(prune=prune)
    if STAMP.exists() and STAMP.read_text() in (wanted, _wanted(prune=True)):
        return
    command = [sys.executable, "-m", "pipeline_steps.cells", *([] if prune else ["--keep"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ValueError(done.stderr.strip().removeprefix("error: "))
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(_wanted(prune=prune))


def _wanted(*, prune: bool) -> str:
    digests = [hashlib.sha256(f.read_bytes()).hexdigest() if f.exists() else "-" for f in (PARAMS, CELLS)]
    return " ".join([*digests, *([] if prune else ["unpruned"])])

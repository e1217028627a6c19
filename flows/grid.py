"""Keep ``cells.yaml`` up to date with the parameters, and check that the data set is where it says.

Where nothing has changed, no process is started.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from dvc.utils.serialize import load_yaml

PARAMS = Path("params.yaml")
CELLS = Path("cells.yaml")
STAMP = Path("runs/cells.stamp")


def refresh_cells(*, prune: bool) -> None:
    """Run ``python -m pipeline_steps.configure --cells`` if ``params.yaml`` or ``cells.yaml`` is not as it was left.

    ``prune``: what belongs to cells that left the grid goes, too.

    Raises:
        ValueError: the grid names something that does not exist.
    """
    wanted = _wanted(prune=prune)
    if STAMP.exists() and STAMP.read_text() in (wanted, _wanted(prune=True)):
        return
    _cells("--cells", *([] if prune else ["--keep"]))
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(_wanted(prune=prune))


def require_inputs() -> None:
    """Check that what ``ingest`` reads exists: for data that vanished after a good run, DVC has a bare "No such file".

    Raises:
        ValueError: something is missing; the message has what it is for, and where its place is set.
    """
    if missing_inputs():
        _cells("--check")


def missing_inputs() -> list[Path]:
    """The files and folders that ``ingest`` reads, as ``cells.yaml`` names them, and that do not exist."""
    cells = load_yaml(CELLS).get("cells", {}) if CELLS.exists() else {}
    reads = cells.get("ingest", {}).get("reads", {})
    return [place for place in map(Path, reads.values()) if not place.exists()]


def _cells(*options: str) -> None:
    command = [sys.executable, "-m", "pipeline_steps.configure", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ValueError(done.stderr.strip().removeprefix("error: "))


def _wanted(*, prune: bool) -> str:
    digests = [hashlib.sha256(f.read_bytes()).hexdigest() if f.exists() else "-" for f in (PARAMS, CELLS)]
    return " ".join([*digests, *([] if prune else ["unpruned"])])

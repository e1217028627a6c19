"""Stages of test pipelines as forks of one process (``flows.stage_forks``), which all test processes share.

At toy scale imports were more than all the work of a stage, and a third of what the tests cost. Tests of how stages
start and die, of the flow and of its workers start theirs anew.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock

from flows import stage_forks

_STARTED: list[subprocess.Popen] = []


def environment() -> dict[str, str]:
    """What a command's environment needs so that its stages are forks; nothing where they can't be."""
    if not stage_forks.possible():
        return {}
    session = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    folder = Path(f"/tmp/equiderm-warm-{session}")
    folder.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            _start(folder, session)
    return {"PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _start(folder: Path, session: int) -> None:
    server = stage_forks.start(folder, session, begun=0)
    _STARTED.append(server)  # for it outlives this, and Python warns of a process that nobody waits for
    while not (folder / "ready").exists():
        if server.poll() is not None:
            raise AssertionError(
                f"the process for warm stages ended with {server.returncode}:\n{(folder / 'log').read_text()}"
            )
        time.sleep(0.1)

"""The stages of the pipeline, one verb a module, and the libraries they share."""

import ctypes
import gc
import hashlib
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_PR_SET_PDEATHSIG = 1
IS_STAGE = sys.argv[:1] == ["-m"]  # this process is `python -m pipeline_steps.…`
COLLECTION = gc.get_threshold()

# Here, before the heavy imports: when dvc is killed with SIGKILL its stage must die too, or it would go on writing into
# outputs that the next run commits.
if sys.platform == "linux" and IS_STAGE:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        sys.exit("the process that started this stage is gone")

# Threads that wait for each other do so awake for a moment, then asleep. Measured on two cores, a step of the shipped
# model's training: asleep at once 0.98 s, awake for 10,000 turns 0.56 s; beside one busy process 1.5 and 1.6 s, where
# OpenMP's default (awake for 300,000) took several times as long. Read when torch is loaded; no bit depends on it.
if IS_STAGE and "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# A stage's imports make a million objects that stay: looking for cycles among them again and again while they load was
# a fifth of the time that it takes to start. stage.run goes back to COLLECTION once all is imported.
if IS_STAGE:
    gc.set_threshold(200_000, 20, 20)


def sources() -> dict[str, str]:
    """SHA-256 of each file of this package, by its name relative to it: code, and what lies beside it."""
    root = Path(__file__).parent
    files = (f for f in root.rglob("*") if f.is_file() and f.suffix != ".pyc" and f.name[0] not in ".#")
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


SOURCES = sources() if IS_STAGE else {}  # before any module of ours is loaded: stage.unchanged compares at the end


def leave_reason(said: str) -> None:
    """Leave why this stage ends where whoever runs it looks for that: DVC's own words follow, and hide it."""
    if place := os.environ.get("EQUIDERM_REASON"):
        with suppress(OSError), Path(place).open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{said}\0")


def _on_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A person who presses Ctrl-C asked for the end, not for where it came."""
    if not issubclass(kind, KeyboardInterrupt):
        leave_reason(f"error: {os.environ.get('DVC_STAGE', 'a stage')} broke off: {kind.__name__}: {error}")
        sys.__excepthook__(kind, error, trace)
        return
    said = "interrupted: what was finished is kept; run the same command again, it goes on"
    leave_reason(said)
    sys.stdout.flush()
    print(f"\n{said}", file=sys.stderr, flush=True)
    os._exit(130)


if IS_STAGE:
    sys.excepthook = _on_error

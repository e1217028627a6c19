"""Bring the digests of each stage's code up to date before a plan is made; else everything after them seems stale."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from dvc.lock import LockError
from dvc.utils.serialize import load_yaml
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from flows.process import BUSY, BusyError
from flows.repair import repair_rwlock

PIPELINE = Path("dvc.yaml")
CODE = Path("pipeline_steps")
STAGE = "digest_code"
DIGESTS = Path("data/code")
STAMP = Path("runs/code.stamp")


def refresh_code() -> None:
    """Run the stage ``digest_code`` by DVC if a file of the code was touched since it last ran, or its output is gone.

    Raises:
        ValueError: the stage failed, as it does where a file can't be parsed, or another DVC process works here and did
            not end within a minute.
    """
    fingerprint = _fingerprint()
    if DIGESTS.is_dir() and STAMP.exists() and STAMP.read_text() == fingerprint:
        return
    if STAGE not in load_yaml(PIPELINE).get("stages", {}):
        return
    try:
        _reproduce()
    except (BusyError, LockError) as error:
        raise ValueError(
            f"another DVC process has worked here for a minute, so that nothing can start: {error}"
        ) from error
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(fingerprint)


@retry(
    retry=retry_if_exception_type((BusyError, LockError)),
    wait=wait_random_exponential(max=5),
    stop=stop_after_delay(60),
    reraise=True,
)
def _reproduce() -> None:
    repair_rwlock(Path(".dvc/tmp"))
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", STAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        reason = f"the stage {STAGE} failed, which lists the code of each stage: {done.stderr.strip()}"
        raise BusyError(reason) if any(words in done.stderr for words in BUSY) else ValueError(reason)


def _fingerprint() -> str:
    """A digest of the names, sizes and modification times of the code's files."""
    files = [PIPELINE, *sorted(f for f in CODE.rglob("*") if f.is_file() and f.suffix != ".pyc")]
    facts = [f"{f}\0{f.stat().st_size}\0{f.stat().st_mtime_ns}" for f in files]
    return sha256("\n".join(facts).encode()).hexdigest()

"""What code each stage runs, brought up to date before a plan is made: else all that follows it may seem stale."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

CODE = Path("pipeline_steps")
LISTED = Path("data/code")
STAMP = Path("runs/code.stamp")


def refresh_code() -> None:
    """Run the stage ``digest_code`` by DVC if a file of the code was touched since it last ran, or its output is gone.

    Raises:
        ValueError: it failed, as it does where a file can't be parsed.
    """
    wanted = _touched()
    if LISTED.is_dir() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    command = [sys.executable, "-m", "dvc", "repro", "--quiet", "--single-item", "digest_code"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ValueError(f"the code can't be listed: {done.stderr.strip()}")
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(wanted)


def _touched() -> str:
    """A digest of names, sizes and times of the code's files."""
    files = sorted(f for f in CODE.rglob("*") if f.is_file() and f.suffix != ".pyc")
    facts = [f"{f}\0{f.stat().st_size}\0{f.stat().st_mtime_ns}" for f in files]
    return sha256("\n".join(facts).encode()).hexdigest()

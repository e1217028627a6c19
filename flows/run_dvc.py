"""DVC's command line as ``./run dvc`` calls it: the same, but why a stage failed stands in the last line.

DVC ends by naming the stage that failed and its command; what is wrong was said before that, and is said again here.
DVC runs in this process, so that signals and exit status are its own.
"""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dvc.cli import main as dvc
from dvc.exceptions import DvcException

from flows.failure_reason import REASON, reasons
from flows.grid import missing_inputs, require_inputs


class _Heard(logging.Handler):
    """What DVC says of its errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's words, those of its exception and of what led to that."""
        error = record.exc_info[1] if record.exc_info else None
        self.text += record.getMessage()
        while error is not None:
            self.text += f" {error}"
            error = error.__cause__


def main(arguments: Sequence[str]) -> int:
    """Call DVC; its exit status."""
    heard = _Heard()
    logging.getLogger("dvc").addHandler(heard)
    with tempfile.TemporaryDirectory(prefix="equiderm-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "reason")
        os.environ[REASON] = str(file)
        status = int(dvc(arguments))
        if status and (said := reasons(file) or _lacking_data(heard.text) or _broken_file(heard.text)):
            with suppress(BrokenPipeError):
                sys.stdout.flush()
            print("\n".join(said), file=sys.stderr, flush=True)
    return status


def _lacking_data(heard: str) -> list[str]:
    """That the data set is not where the parameters say, if DVC failed for want of it: no stage could say so."""
    try:
        if any(place.name in heard for place in missing_inputs()):
            require_inputs()
    except (ValueError, DvcException, OSError) as error:
        return [f"error: {error}"]
    return []


def _broken_file(heard: str) -> list[str]:
    """What is wrong in a file of parameters that DVC could not read, in the words of who writes it."""
    if not any(name in heard for name in ("params.yaml", "cells.yaml")):
        return []
    command = [sys.executable, "-m", "pipeline_steps.configure", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stderr.strip().splitlines() if done.returncode else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

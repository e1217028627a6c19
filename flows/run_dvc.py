"""DVC's command line as ``./run dvc`` calls it: quicker (``dvc_command``), and the last line says why a stage failed.

DVC ends by naming the stage that failed and its command; the reason was printed before that, and is repeated here.
DVC runs in this process, so that signals and exit status are its own.
"""

import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from flows.failure_reason import REASON, reasons
from flows.stage_forks import beside, possible

_INTERRUPTED = "interrupted: what was finished is kept; run the same command again, it goes on"
_INTERRUPTED_STATUS = 252  # DVC's own, after Ctrl-C
_INTERRUPTED_STAGE = re.compile(rf"exited with -{int(signal.SIGINT)}\b")  # before it had begun to listen for it


class _ErrorMessages(logging.Handler):
    """The messages of the errors that DVC logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's message, those of its exception and of that one's causes."""
        error = record.exc_info[1] if record.exc_info else None
        self.text += record.getMessage()
        while error is not None:
            self.text += f" {error}"
            error = error.__cause__


def main(arguments: Sequence[str]) -> int:
    """Call DVC; its exit status."""
    with tempfile.TemporaryDirectory(prefix="equiderm-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "reason")
        os.environ[REASON] = str(file)
        with beside(Path(folder)) if "repro" in arguments and possible() else nullcontext():
            status, errors = _call_dvc(arguments)
        if status:
            lines = reasons(file) or _reason_without_stage(status, errors)
            with suppress(BrokenPipeError):
                sys.stdout.flush()
            if lines:
                print("\n".join(lines), file=sys.stderr, flush=True)
    return status


def _call_dvc(arguments: Sequence[str]) -> tuple[int, str]:
    """DVC's exit status, and the messages of its errors."""
    errors = _ErrorMessages()
    try:
        from flows.dvc_command import call_dvc
        from flows.repair import repair_rwlock

        logging.getLogger("dvc").addHandler(errors)
        if Path(".dvc/tmp").is_dir():
            repair_rwlock(Path(".dvc/tmp"))
        return call_dvc(arguments), errors.text
    except KeyboardInterrupt:  # before DVC has begun to listen for it
        return _INTERRUPTED_STATUS, ""
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left takes no time, and says how to go on


def _reason_without_stage(status: int, errors: str) -> list[str]:
    """The reason where no stage could leave one."""
    if status == _INTERRUPTED_STATUS or _INTERRUPTED_STAGE.search(errors):
        return [_INTERRUPTED]
    from flows.working_directory import WorkingDirectoryError, check_working_directory

    try:
        check_working_directory()
    except WorkingDirectoryError as error:
        return [f"error: {error}"]
    return _missing_data(errors) or _broken_file(errors)


def _missing_data(errors: str) -> list[str]:
    """That the data set is not where the parameters say, if DVC failed for want of it."""
    from dvc.exceptions import DvcException

    from flows.grid import missing_inputs, require_inputs

    try:
        if any(place.name in errors for place in missing_inputs()):
            require_inputs()
    except (ValueError, DvcException, OSError) as error:
        return [f"error: {error}"]
    return []


def _broken_file(errors: str) -> list[str]:
    """What is wrong in a file of parameters that DVC could not read, as the command that checks them says it."""
    if not any(name in errors for name in ("params.yaml", "cells.yaml")):
        return []
    command = [sys.executable, "-m", "pipeline_steps.configure", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stderr.strip().splitlines() if done.returncode else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Run a stage's ``main``: one line an error, and a log of what it cost."""

import argparse
import atexit
import gc
import hashlib
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pipeline_steps
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.outputs import OutputError
from pipeline_steps.stage.params import ParamsError
from pipeline_steps.stage.unchanged import refuse_changes

RUN_LOG = Path("runs/stages.jsonl")


def run(main: Callable[[], None]) -> None:
    """Call ``main``; errors that a person must mend end as one line and exit status 1."""
    gc.set_threshold(*pipeline_steps.COLLECTION)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "httpcore", "PIL", "matplotlib", "fontTools"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    started, status = time.monotonic(), "failed"
    try:
        main()
        refuse_changes()
        status = "completed"
    except (ParamsError, DataError, OutputError) as error:
        _end_with(str(error))
    except FileNotFoundError as error:
        if not (lacking := _lacking_input(error)):
            raise
        _end_with(f"{lacking} does not exist: 'dvc repro' makes what this stage reads")
    finally:
        _log_run(main.__module__, status, time.monotonic() - started)
    if pipeline_steps.IS_STAGE:
        _leave()


def _end_with(reason: str) -> NoReturn:
    pipeline_steps.leave_reason(f"error: {reason}")
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(1)


def _lacking_input(error: FileNotFoundError) -> str:
    """The missing file, where the command line names it or a folder that it lies in; else nothing."""
    missing = Path(str(error.filename or (error.args or [""])[-1]))
    named = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    return str(missing) if any(path == missing or path in missing.parents for path in named) else ""


def _leave() -> NoReturn:
    """End this process at once: outputs are written, and to take apart all that was imported takes over a second."""
    # A table of compile times, laid out for no reader.
    if dump := getattr(sys.modules.get("torch._dynamo.utils"), "dump_compile_times", None):
        atexit.unregister(dump)
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def run_key(code: str, *inputs: Path | str) -> str:
    """A name for what an interrupted run leaves: changes with its code version and with any input's content."""
    h = hashlib.sha256(code.encode())
    for entry in inputs:
        files = (
            [entry] if isinstance(entry, str) or entry.is_file() else sorted(f for f in entry.rglob("*") if f.is_file())
        )
        for file in files:
            h.update(file.read_bytes() if isinstance(file, Path) else file.encode())
            h.update(b"\0")
    return h.hexdigest()[:32]


def _log_run(module: str, status: str, seconds: float) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    name = Path(sys.argv[0]).stem if module == "__main__" else module
    line = {
        "stage": name,
        "arguments": sys.argv[1:],
        "status": status,
        "wall_s": round(seconds, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": usage.ru_maxrss // 1024,
        "pid": os.getpid(),
    }
    RUN_LOG.parent.mkdir(parents=True, exist_ok=True)
    with RUN_LOG.open("a") as log:
        log.write(json.dumps(line) + "\n")


def parser(description: str | None, *paths: str) -> argparse.ArgumentParser:
    """A parser whose required flags are paths: numbers come from params.yaml."""
    made = argparse.ArgumentParser(description=description)
    for flag in paths:
        made.add_argument(flag, type=Path, required=True)
    return made

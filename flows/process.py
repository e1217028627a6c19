"""Run one subprocess a stage: pass on its output and progress, and leave no orphan however it ends."""

import asyncio
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from flows import process_group
from flows.failure_reason import REASON, reasons
from flows.states import RAN, RESTORED, UNCHANGED

BUSY = ("is busy, it is being blocked by", "Unable to acquire lock", "Lock file is corrupted")
_RETRY_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)  # upper limits of the waits between tries, in seconds
_BAR = re.compile(r"^(?P<what>[^|]*?):?\s*(?P<percent>\d+)%\|[^|]*\|\s*(?P<rest>.*)$")
_LAST_LINES = 20
_DVC_LINES = ("ERROR: failed to reproduce", "Running stage ", "> ", "Stage '", "Verifying ", "Updating lock file")
_SECONDS_BETWEEN_STARTS = (
    0.15  # seconds between starts: of two DVC processes that ask for the lock at once, one waits half a second
)
_next_start = 0.0


class StageFailedError(RuntimeError):
    """A stage's command failed; the message has its last lines, and ends with the reason where the stage left one."""


class BusyError(RuntimeError):
    """Another DVC process holds what this one needs for a moment; nothing was done."""


@dataclass(frozen=True)
class Line:
    """A whole line of the log, or (``percent`` set) a state of a progress bar."""

    text: str
    percent: float | None = None


Listener = Callable[[Line], Awaitable[None]]
Watch = Callable[[int], AbstractAsyncContextManager[None]]


async def reproduce(
    name: str,
    listener: Listener,
    *,
    force: bool,
    environment: Mapping[str, str],
    watch: Watch = lambda _pid: nullcontext(),
    pull: bool = False,
) -> str:
    """Run ``dvc repro`` on one stage alone, telling ``listener`` every line; tried again while DVC says "busy".

    With ``pull``, what the stage needs comes from the DVC remote first (and ``force`` would run that again, too).
    ``watch`` is entered with the process id while the stage runs. Returns ``Restored`` (from the run cache),
    ``Completed`` (it ran) or ``Unchanged``. Cancelling kills the stage's whole process group.

    Raises:
        StageFailedError: the stage failed.
    """
    options = ["--force"] if force else []
    command = _dvc("repro", "--pull" if pull else "--single-item", *options, name)
    return _outcome(name, await _run_until_free(name, command, listener, environment, watch))


async def push(name: str, listener: Listener) -> None:
    """Send a stage's outputs and its run cache to the DVC remote; of everything that is here with an empty name.

    Raises:
        StageFailedError: the remote can't be reached.
    """
    await _run_until_free(name or "all", _dvc("push", "--run-cache", *([name] if name else [])), listener, {})


async def restore(targets: Sequence[str], listener: Listener) -> None:
    """Bring what others made and pushed of ``targets`` (all, if empty) into this clone and its ``dvc.lock``.

    Raises:
        StageFailedError: something is not there, and failed when it was run here instead.
    """
    await _run_until_free("restore", _dvc("repro", "--pull", *targets), listener, {})


def _dvc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flows.dvc_command", "--wait-for-lock", *arguments]


async def _run_until_free(
    name: str,
    command: list[str],
    listener: Listener,
    environment: Mapping[str, str],
    watch: Watch = lambda _pid: nullcontext(),
) -> list[str]:
    """Run a DVC command, again while another DVC process holds what it needs; its output."""
    for wait in (*_RETRY_WAITS, None):
        try:
            return await _run(name, command, listener, environment, watch)
        except BusyError:
            if wait is None:
                raise
            await asyncio.sleep(random.uniform(0, wait))
    raise AssertionError("unreachable")


async def _run(
    name: str,
    command: list[str],
    listener: Listener,
    environment: Mapping[str, str],
    watch: Watch = lambda _pid: nullcontext(),
) -> list[str]:
    await _space_out_starts()
    with tempfile.TemporaryDirectory(prefix="equiderm-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "reason")
        status, output = await _run_process(command, listener, {**environment, REASON: str(file)}, watch)
        if status and any(sign in line for sign in BUSY for line in output[-_LAST_LINES:]):
            raise BusyError(f"stage {name}: DVC stayed busy: {output[-1]}")
        if status:
            last = [*output[-_LAST_LINES:], *(reasons(file) or _last_own_line(output))]
            raise StageFailedError(f"stage {name} failed with status {status}:\n" + "\n".join(last))
    return output


def _last_own_line(output: list[str]) -> list[str]:
    """The last line that the stage itself printed: the reason, where it left none, as DVC's own line says nothing."""
    own = [line for line in output if not line.startswith(_DVC_LINES)]
    return own[-1:] if own != output else []


async def _run_process(
    command: list[str], listener: Listener, environment: Mapping[str, str], watch: Watch
) -> tuple[int, list[str]]:
    """The status of a command, and its output."""
    process = await asyncio.create_subprocess_exec(
        *process_group.command(*command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "PATH": _path(), "PYTHONUNBUFFERED": "1", **environment},
    )
    assert process.stdout
    output: list[str] = []
    try:
        async with watch(process.pid):
            async for line in _lines(process.stdout):
                if line.percent is None:
                    output.append(line.text)
                await listener(line)
            status = await process.wait()
    finally:
        await _end(process)
    return status, output


async def _space_out_starts() -> None:
    global _next_start  # noqa: PLW0603
    now = time.monotonic()
    start = max(now, _next_start)
    _next_start = start + _SECONDS_BETWEEN_STARTS
    await asyncio.sleep(start - now)


def _path() -> str:
    """``PATH`` with this interpreter first: stages call ``python``, and an environment need not be activated."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of the process group and wait for its leader."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    await asyncio.shield(process.wait())


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[Line]:
    """Split a stream at line feeds and carriage returns: whole lines, and states of a bar."""
    rest = ""
    while chunk := await stream.read(1 << 14):
        *whole, rest = re.split(r"[\r\n]+", rest + chunk.decode(errors="replace"))
        for text in whole:
            if text.strip():
                yield _parse(text.strip())
    if rest.strip():
        yield _parse(rest.strip())


def _parse(text: str) -> Line:
    bar = _BAR.match(text)
    return Line(f"{bar['what']} {bar['rest']}", float(bar["percent"])) if bar else Line(text)


def _outcome(name: str, output: list[str]) -> str:
    text = "\n".join(output)
    if f"Running stage '{name}'" in text:
        return RAN
    return RESTORED if f"Stage '{name}' is cached - skipping run" in text else UNCHANGED

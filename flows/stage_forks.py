"""Stages as forks of one process that has imported the libraries.

To import torch, diffusers, transformers and peft anew takes a stage two to seven seconds, a quarter of the default job.
``beside`` puts a ``python`` first on the path that hands ``python -m pipeline_steps.…`` to a process with the libraries
in it (not our modules: those come from the clone at work) once that is ready; until then, and for all else, it is the
real one. That process imports from the second stage on, so that one stage alone costs no more than before. Input,
output, folder, environment, process group and exit status are the caller's; when the caller dies, so does the stage. A
driver of a GPU does not survive a fork: where there is a GPU, stages start anew.
"""

import ast
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

_SOURCES = Path(__file__).resolve().parents[1] / "pipeline_steps"
_CALLER = Path(__file__).with_name("stage_caller.py")
_GPU = Path("/dev/nvidiactl")
_LARGEST_MESSAGE = 1 << 20
# As ``pipeline_steps`` sets it for a stage: it is read when torch is loaded.
SPIN_COUNT = "10000"


def possible() -> bool:
    """Whether stages can be forked: processes can be watched (Linux), and there is no GPU."""
    return sys.platform == "linux" and not _GPU.exists()


@contextlib.contextmanager
def beside(folder: Path, *, begun: int = 2) -> Iterator[None]:
    """Within the block, have ``python`` on the path be the one that asks for forks; ``folder`` holds what that takes.

    The libraries are imported once ``begun`` stages have begun.
    """
    path = os.environ.get("PATH", os.defpath)
    server = start(folder, os.getpid(), begun)
    os.environ["PATH"] = f"{folder}{os.pathsep}{path}"
    try:
        yield
    finally:
        os.environ["PATH"] = path
        server.kill()
        server.wait()


def start(folder: Path, watched: int, begun: int) -> "subprocess.Popen[bytes]":
    """Start the process, which ends with the process ``watched``, and write ``python`` into ``folder``."""
    caller = shlex.join([sys.executable, "-IS", str(_CALLER), str(folder)])
    (folder / "python").write_text(f'#!/bin/sh\nexec {caller} "$@"\n', "utf-8")
    (folder / "python").chmod(0o755)
    command = [sys.executable, "-m", "flows.stage_forks", str(folder), str(watched), str(begun)]
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    with (folder / "log").open("wb") as log:
        # In a group of its own: a terminal's Ctrl-C is for the stage.
        return subprocess.Popen(command, cwd=_SOURCES.parent, stdout=log, **streams, process_group=0)  # noqa: S603


def serve(folder: Path, watched: int, begun: int) -> None:
    """Wait for stages, import what they import, then fork one for each caller, until ``watched`` is gone."""
    gone = os.pidfd_open(watched)
    if _begin(folder, gone, begun):
        if "OMP_WAIT_POLICY" not in os.environ:
            os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        _import_libraries()
        gc.collect()
        gc.freeze()
        _fork_for_callers(folder, gone)
    shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path, gone: int, begun: int) -> bool:
    """Wait until so many stages have begun; False where ``gone`` comes first."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stages:
        stages.bind(str(folder / "begun"))
        for _ in range(begun):
            if gone in select.select([stages.fileno(), gone], [], [])[0]:
                return False
            stages.recv(1)
    return True


def _fork_for_callers(folder: Path, gone: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / "new"))
        listener.listen(64)
        (folder / "new").rename(folder / "ready")  # who sees it can connect to it
        while gone not in select.select([listener.fileno(), gone], [], [])[0]:
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _attend(caller)
            caller.close()


def _import_libraries() -> None:
    """Import what the pipeline's modules import, names too: some libraries load their parts when asked for them."""
    for file in sorted(_SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    _import(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module:
                _import(node.module, *(alias.name for alias in node.names))


def _import(module: str, *names: str) -> None:
    if module.split(".", maxsplit=1)[0] == _SOURCES.name:
        return
    imported = importlib.import_module(module)
    for name in names:
        if not hasattr(imported, name):
            importlib.import_module(f"{module}.{name}")


def _attend(caller: socket.socket) -> NoReturn:
    """Run a caller's stage in a process of its own and tell its exit status; end it with its caller."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, *_ = socket.recv_fds(caller, _LARGEST_MESSAGE, 3)
    if not message:
        os._exit(0)
    asked = json.loads(message)
    group, joined = asked.pop("group"), True
    stage = os.fork()
    if stage == 0:
        caller.close()
        _become(streams, **asked)
    try:
        os.setpgid(stage, group)
    except OSError:  # of another session
        joined = False
    caller.send(b"joined" if joined else b"alone")
    ended = os.pidfd_open(stage)
    if ended not in select.select([caller.fileno(), ended], [], [])[0]:
        os.kill(stage, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(stage, 0)[1])
    with contextlib.suppress(BrokenPipeError):
        caller.send(str(status).encode())
    os._exit(0)


def _become(streams: list[int], arguments: list[str], cwd: str, environment: dict[str, str]) -> NoReturn:
    """Go on as ``python -m`` with these arguments."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = cwd
    sys.argv = ["-m", *arguments[1:]]  # as while ``python -m`` looks for the module
    status = 0
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
    except BaseException as error:  # noqa: BLE001
        status = 1
        sys.excepthook(type(error), error, error.__traceback__)
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

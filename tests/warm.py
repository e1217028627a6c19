"""Stages of test pipelines as forks of one process that has imported what they import.

To import torch, diffusers, transformers and peft anew takes a stage four to ten seconds; at toy scale that was more
than all its work, and a third of what the tests cost. ``environment()`` puts a ``python`` first on the path that hands
``python -m pipeline_steps.…`` to a process with the libraries in it (not our modules: those come from the clone at
work). Input, output, folder, environment and exit status are the caller's; when the caller dies, so does the stage.
Tests of how stages start and die, of the flow and of its workers start theirs anew.
"""

import ast
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
PYTHON = """#!{python} -IS
import json, os, socket, sys
if sys.argv[1:2] != ["-m"] or not sys.argv[2].startswith("pipeline_steps."):
    os.execv("{python}", ["{python}", *sys.argv[1:]])
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect("{folder}/socket")
    asked = {{"arguments": sys.argv[2:], "cwd": os.getcwd(), "environment": dict(os.environ)}}
    socket.send_fds(server, [json.dumps(asked).encode()], [0, 1, 2])
    sys.exit(int(server.recv(16) or 1))
"""

_STARTED: list[subprocess.Popen] = []


def environment() -> dict[str, str]:
    """What a command's environment needs so that its stages start warm; nothing where processes can't be watched."""
    if sys.platform != "linux":
        return {}
    session = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    folder = Path(f"/tmp/equiderm-warm-{session}")
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "socket").exists():
            _start(folder, session)
    return {"PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _start(folder: Path, session: int) -> None:
    (folder / "python").write_text(PYTHON.format(python=sys.executable, folder=folder))
    (folder / "python").chmod(0o755)
    with (folder / "log").open("w") as log:
        command = [sys.executable, __file__, str(folder), str(session)]
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    _STARTED.append(server)  # for it outlives this, and Python warns of a process that nobody waits for
    while not (folder / "socket").exists():
        if server.poll() is not None:
            raise AssertionError(f"the process for warm stages ended with {server.returncode}:\n{log.read_text()}")
        time.sleep(0.1)


def _import_libraries() -> None:
    """Import what the pipeline's modules import, names too: some libraries load their parts when asked for them."""
    for file in sorted((ROOT / "pipeline_steps").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    _import(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module:
                _import(node.module, *(alias.name for alias in node.names))


def _import(module: str, *names: str) -> None:
    if module.split(".", maxsplit=1)[0] == "pipeline_steps":
        return
    imported = importlib.import_module(module)
    for name in names:
        if not hasattr(imported, name):
            importlib.import_module(f"{module}.{name}")


def serve(folder: Path, session: int) -> None:
    """Fork a stage for each caller until the test session is gone."""
    _import_libraries()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    watched = os.pidfd_open(session)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / "new"))
        listener.listen(64)
        (folder / "new").rename(folder / "socket")  # who sees it can connect to it
        while watched not in (ready := select.select([listener, watched], [], [])[0]):
            assert ready
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _attend(caller)
            caller.close()
    shutil.rmtree(folder)


def _attend(caller: socket.socket) -> None:
    """Run a caller's stage in a process of its own and tell its exit status; end it with its caller."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, *_ = socket.recv_fds(caller, 1 << 20, 3)
    stage = os.fork()
    if stage == 0:
        caller.close()
        _become(streams, **json.loads(message))
    ended = os.pidfd_open(stage)
    if ended not in select.select([caller, ended], [], [])[0]:
        os.kill(stage, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(stage, 0)[1])
    caller.send(str(status if status >= 0 else 128 - status).encode())
    os._exit(0)


def _become(streams: list[int], arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    """Go on as ``python -m`` with these arguments."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
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
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))

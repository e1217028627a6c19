"""What ``python`` is to DVC's stages where ``stage_forks`` is at work: asks for a fork, or becomes the real one.

``stage_caller.py FOLDER ARGUMENTS…``, as a script of a bare interpreter, which starts within some twenty milliseconds.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def _become_python(arguments: list[str]) -> NoReturn:
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606


def _is_stage(arguments: list[str]) -> bool:
    return len(arguments) > 1 and arguments[0] == "-m" and arguments[1].startswith("pipeline_steps.")


def _ask(folder: str, arguments: list[str]) -> socket.socket | None:
    """The line to the stage's process, once there is one; None where there is none to be had."""
    ready = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asked = {"arguments": arguments[1:], "cwd": str(Path.cwd()), "environment": dict(os.environ), "group": os.getpgrp()}
    try:
        ready.connect(f"{folder}/ready")
        socket.send_fds(ready, [json.dumps(asked).encode()], [0, 1, 2])
    except OSError:  # it imports, or is gone; or the environment is too large for a message
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as begun:
            begun.setblocking(False)
            begun.sendto(b".", f"{folder}/begun")
        return None
    return ready


def main(folder: str, arguments: list[str]) -> int:
    """Run a stage as a fork, or become the real ``python``; the stage's exit status."""
    if not _is_stage(arguments):
        _become_python(arguments)
    # When dvc is killed its stage must die too, or it would go on writing into outputs that the next run commits.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        return 1
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    stage = _ask(folder, arguments)
    if stage is None:
        _become_python(arguments)
    if stage.recv(16) == b"joined":  # this group, which a terminal's Ctrl-C reaches: the stage has the last word
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = int(stage.recv(16) or -signal.SIGKILL)
    if status < 0:
        with suppress(OSError):  # of SIGKILL, which has no other
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))

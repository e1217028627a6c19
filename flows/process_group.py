"""Run a command whose whole process group dies with its parent: ``python -m flows.process_group PARENT COMMAND …``.

When the flow is killed with SIGKILL nobody can signal what it started; the kernel can (Linux), but only its direct
children. So this process stays between the flow and its command, in a session of its own.
"""

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def command(*arguments: str) -> list[str]:
    """``arguments`` as a command that ends with this process; start it with ``start_new_session=True``."""
    return [sys.executable, "-m", "flows.process_group", str(os.getpid()), *arguments]


def main() -> int:
    """Watch over the command; its exit status."""
    signal.signal(signal.SIGUSR1, lambda *_: os.killpg(0, signal.SIGKILL))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)
        if os.getppid() != int(sys.argv[1]):
            sys.exit("the process that started this command is gone")
    process = subprocess.Popen(sys.argv[2:])  # noqa: S603
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda number, _: process.send_signal(number))
    status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())

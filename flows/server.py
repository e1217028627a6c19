"""A Prefect server of this project's own: one that a person watches, or a temporary one for a single run.

It lives in a process group of its own, so that Ctrl-C in a terminal reaches the flow alone: a flow whose server has
gone waits for it for minutes. It dies with the process that started it, and its log is ``runs/server.log``.
"""

import atexit
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from flows import process_group
from flows.server_check import ServerError, check_server

HOST = "127.0.0.1"
LOG = Path("runs/server.log")
_START_TIMEOUT_SECONDS = 180  # on a busy machine
_END_SECONDS = 5
# What schedules and supervises runs, for which a server of one run has no use. What records its stages must run.
_IDLE_SERVICES = ("CANCELLATION_CLEANUP", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS", "SCHEDULER", "TRIGGERS")
_FREED_SECONDS = 5  # a server that was stopped just now may still hold its port


def start_server(port: int, idle_services: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start a server on loopback ``port`` and wait until it answers; this process's children talk to it from now on.

    ``idle_services``: services of Prefect's that are not started.

    Raises:
        ServerError: the port can't be had, or the server ended or did not answer in time.
    """
    until = time.monotonic() + _FREED_SECONDS
    while not is_free(port) and time.monotonic() < until:
        time.sleep(0.2)
    if not is_free(port):
        raise ServerError(f"port {port} is held by {_holder(port)}, or choose another with --port")
    os.environ |= {
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
    }
    command = process_group.command(sys.executable, "-m", "prefect", "server", "start")
    environment = os.environ | {f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in idle_services}
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment)  # noqa: S603
    try:
        _wait(server, port)
    except BaseException:
        stop_server(server)
        raise
    return server


def is_free(port: int) -> bool:
    """Whether nobody listens on loopback ``port``.

    Raises:
        ServerError: no program of this person's can listen there.
    """
    if not 0 < port < 1 << 16:
        raise ServerError(f"port {port} is none: ports are 1 to 65535; choose another with --port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ServerError(f"port {port} can't be used ({error.strerror}); choose another with --port") from None
            return False
    return True


def _holder(port: int) -> str:
    """Who holds a port, and what to do about it, as far as an HTTP request tells."""
    url = f"http://{HOST}:{port}"
    try:
        check_server(f"{url}/api", 0, 2)
    except ServerError:
        return "another program; stop that one"
    return f"a Prefect server already: its UI is at {url}, and with PREFECT_API_URL={url}/api runs go there; stop it"


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_TIMEOUT_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            raise ServerError(f"Prefect's server ended with status {server.returncode}; {LOG} says why")
        try:
            if httpx.get(f"http://{HOST}:{port}/api/health", timeout=5, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise ServerError(
        f"Prefect's server did not answer on port {port} within {_START_TIMEOUT_SECONDS} s; {LOG} may say why"
    )


def stop_server(server: subprocess.Popen[bytes]) -> None:
    """End a server, at once if it does not end by itself."""
    server.terminate()
    try:
        server.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@contextmanager
def temporary_server() -> Iterator[bool]:
    """Provide a server within the block: the one that Prefect's settings name, else one that ends with this process.

    Yields whether it ends with this process. It does not end with the block: what Prefect still has to send when Python
    ends would wait for a server that is gone.

    Raises:
        ServerError: as ``start_server``.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if url := PREFECT_API_URL.value():
        check_server(url)
        yield False
        return
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    print(
        "starting a server for this run ('python -m flows.serve' keeps one, with its UI)", file=sys.stderr, flush=True
    )
    atexit.register(stop_server, start_server(port, _IDLE_SERVICES))
    with temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]}):
        check_server(os.environ["PREFECT_API_URL"])  # else a proxy that can't be used would be found by Prefect
        yield True

"""Server, UI and flow in one command: ``python -m flows.serve``, then open http://127.0.0.1:4200.

Starts a Prefect server on this machine's loopback address (nothing leaves it, no telemetry) and serves the flow, so
that runs can be started, watched and cancelled in the UI. Ctrl-C ends both.
"""

import argparse
import os
import subprocess
import sys
import time

import httpx

from flows import child

_HOST = "127.0.0.1"
_START_SECONDS = 60


def start_server(port: int) -> subprocess.Popen[bytes]:
    """A server that answers on loopback ``port``; this process talks to it from now on.

    Raises:
        RuntimeError: it ended, or did not answer in time.
    """
    os.environ |= {
        "PREFECT_SERVER_API_HOST": _HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_API_URL": f"http://{_HOST}:{port}/api",
    }
    command = child.command(sys.executable, "-m", "prefect", "server", "start")
    server = subprocess.Popen(command, start_new_session=True)  # noqa: S603
    for _ in range(_START_SECONDS * 2):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with status {server.returncode}; is port {port} taken?")
        try:
            if httpx.get(f"http://{_HOST}:{port}/api/health", timeout=1).is_success:
                return server
        except httpx.HTTPError:
            time.sleep(0.5)
    server.terminate()
    raise RuntimeError(f"the server did not answer on port {port} within {_START_SECONDS} s")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=4200)
    parser.add_argument("--run", action="store_true", help="start one run of the whole pipeline at once")
    args = parser.parse_args()
    try:
        server = start_server(args.port)
    except RuntimeError as error:
        sys.exit(f"error: {error}")
    try:
        from flows.augment import augment  # reads the server's address when it is imported

        if args.run:
            import asyncio

            asyncio.run(augment())
        augment.serve(name="pipeline", limit=1)  # type: ignore[unused-coroutine]
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()

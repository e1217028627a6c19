"""Server, UI and flow in one command: ``python -m flows.serve``, then open http://127.0.0.1:4200.

Starts a Prefect server on this machine's loopback address (nothing leaves it, no telemetry) and serves the flow, so
that runs can be started, sampled and cancelled in the UI. ``--run`` starts one at once; when it ends, well or not, the
server stays, so that there is something to look at. Ctrl-C ends both.
"""

import argparse
import asyncio
import atexit
import sys

from flows.server import HOST, start_server, stop_server
from flows.server_check import ServerError
from flows.working_directory import WorkingDirectoryError, check_working_directory


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=4200)
    parser.add_argument("--run", action="store_true", help="start one run of the whole pipeline at once")
    args = parser.parse_args()
    try:
        check_working_directory()
        server = start_server(args.port)
    except (WorkingDirectoryError, ServerError) as error:
        sys.exit(f"error: {error}")
    atexit.register(stop_server, server)  # once Prefect has sent it the last words
    print(f"The UI is at http://{HOST}:{args.port}. Ctrl-C ends it.", flush=True)
    from flows.augment import PipelineFailedError, augment, exit_interrupted  # reads the server's address when imported

    try:
        if args.run:
            try:
                asyncio.run(augment())
            except (PipelineFailedError, ValueError) as error:
                print(f"error: {error}\nThe run stays in the UI; Ctrl-C ends it.", file=sys.stderr, flush=True)
        augment.serve(name="pipeline", limit=1)  # type: ignore[unused-coroutine]
    except KeyboardInterrupt:
        exit_interrupted()


if __name__ == "__main__":
    main()

"""Server, UI and flow in one command: ``python -m flows.serve``, then open http://127.0.0.1:4200.

Starts a Prefect server on this machine's loopback address (nothing leaves it, no telemetry) and serves the flow, so
that runs can be started, watched and cancelled in the UI. ``--run`` starts one at once, of all stages or of those that
a ``--target`` needs; when it ends, well or not, the server stays, so that there is something to look at. Ctrl-C ends
both.
"""

import argparse
import asyncio
import atexit
import sys

from dvc.exceptions import DvcException

from flows.overrides import check_parameters, check_start
from flows.server import HOST, start_server, stop_server
from flows.server_check import ServerError
from flows.working_directory import check_working_directory

EXAMPLE = """example:
  ./run python -m flows.serve --run
      starts a run, and the UI in which to watch it

each stage that is not up to date runs as: dvc repro --single-item STAGE
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flows.serve",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=4200, help="the port of server and UI (default: 4200)")
    parser.add_argument("--run", action="store_true", help="start one run at once")
    parser.add_argument(
        "--target", action="append", default=[], help="with --run: a stage, or a group of cells such as generate"
    )
    args = parser.parse_args()
    if args.target and not args.run:
        parser.error("--target goes with --run")
    return args


def main() -> None:
    """Command line."""
    args = _arguments()
    targets = tuple(args.target)
    try:
        if args.run:
            _check_run(targets)
        else:
            check_working_directory()
        server = start_server(args.port)
    except (ValueError, ServerError, DvcException) as error:
        sys.exit(f"error: {error}")
    atexit.register(stop_server, server)  # after Prefect has sent it the last messages
    print(f"The UI is at http://{HOST}:{args.port}. Ctrl-C ends it.", flush=True)
    from flows.augment import exit_interrupted  # reads the server's address when imported

    try:
        _serve(targets, run=args.run)
    except KeyboardInterrupt:
        exit_interrupted()


def _check_run(targets: tuple[str, ...]) -> None:
    """Find what would stop the run before a server is there that stays.

    Raises:
        ValueError: the run can't be as it is asked for, or not here.
    """
    if restored := check_start((), "", ""):
        print(restored, file=sys.stderr, flush=True)
    check_parameters((), targets, here=True)


def _serve(targets: tuple[str, ...], *, run: bool) -> None:
    from flows.augment import augment
    from flows.states import PipelineFailedError
    from flows.terminal import shown_in_terminal

    if run:
        try:
            with shown_in_terminal():
                asyncio.run(augment(targets))
        except (PipelineFailedError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
        print("The run stays in the UI; Ctrl-C ends the server.", file=sys.stderr, flush=True)
    augment.serve(name="pipeline", limit=1)  # type: ignore[unused-coroutine]


if __name__ == "__main__":
    main()

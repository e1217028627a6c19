"""Make this clone a worker: ``python -m flows.worker --pool NAME``. It runs one stage at a time.

Run it in a clone of its own, at the head's commit, with the head's DVC remote and PREFECT_API_URL set to the head's
server. It refuses at once where something does not fit. In a Slurm job it is started the same way.
"""

import argparse
import asyncio
import os
import platform
import sys
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from prefect.settings import PREFECT_API_URL

from flows.pool import QUEUES, ensure_pool
from flows.remote_stage import CLONE, WorkerMismatchError, revision
from flows.resources import this_machine
from flows.server_check import ServerError, check_server
from flows.working_directory import WorkingDirectoryError, check_working_directory

EXAMPLE = """example:
  PREFECT_API_URL=http://head:4200/api ./run python -m flows.worker --pool lab

each stage that the head sends runs as: dvc repro --pull STAGE, then dvc push --run-cache STAGE
"""


def remote_place() -> str:
    """The default DVC remote's address, once it has answered.

    Raises:
        WorkerMismatchError: there is none, or it does not answer.
    """
    with Repo() as repo:
        try:
            odb = repo.cloud.get_remote_odb()
            odb.fs.exists(odb.path)
        except (DvcException, OSError) as error:
            raise WorkerMismatchError(f"the DVC remote does not answer: {error}; see 'dvc remote list'") from None
        return str(odb.fs.unstrip_protocol(odb.path))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.worker",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pool", required=True, help="the work pool, as given to the head's flow")
    parser.add_argument("--cpu-only", action="store_true", help="take no stage that asks for a GPU")
    args = parser.parse_args()
    try:
        check_working_directory()
        if not (url := PREFECT_API_URL.value()):
            sys.exit("error: PREFECT_API_URL is not set; give the head's server, e.g. http://head:4200/api")
        check_server(url)
        print(f"commit {revision()[:12]}, remote {remote_place()}", flush=True)
    except (WorkerMismatchError, WorkingDirectoryError, ServerError) as error:
        sys.exit(f"error: {error}")
    if not args.cpu_only and not this_machine().gpus:
        print("no GPU here: stages that ask for one will compute on the CPU (--cpu-only leaves them to others)")
    asyncio.run(ensure_pool(args.pool))
    clone = Path.cwd()
    os.environ |= {CLONE: str(clone), "PYTHONPATH": str(clone)}
    queues = QUEUES[1:] if args.cpu_only else QUEUES
    command = ["worker", "start", "--pool", args.pool, "--type", "process", "--limit", "1"]
    command += [
        "--name",
        f"{platform.node()}:{clone.name}:{os.getpid()}",
        *(x for q in queues for x in ("--work-queue", q)),
    ]
    os.execv(sys.executable, [sys.executable, "-m", "prefect", *command])  # noqa: S606


if __name__ == "__main__":
    main()

"""Run one stage on a worker's machine: results are exchanged by the run cache of the shared DVC remote.

A worker brings what the stage needs from the remote, runs it, and pushes its outputs with their run cache. It writes
``dvc.lock`` in its own clone only, where nobody reads it.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, get_run_context
from prefect.states import Completed

from flows.crashed_runs import own_tag
from flows.process import Line, push, reproduce
from flows.progress import Listener
from flows.resources import this_machine

CLONE = "EQUIDERM_CLONE"  # the environment variable in which a worker keeps its clone's folder
HEARTBEAT_SECONDS = float(os.environ.get("EQUIDERM_HEARTBEAT_SECONDS", "5"))
# What a run itself rewrites: a clone that differs in these alone still is at its revision.
_OWN = (":!dvc.lock", ":!metrics/summary.json", ":!metrics/compared")


class WorkerMismatchError(RuntimeError):
    """This clone is not at the head's commit, or differs from it; the message says what to do."""


def revision() -> str:
    """The commit that this clone is at.

    Raises:
        WorkerMismatchError: tracked files differ from it.
    """
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *_OWN).splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:5])
        raise WorkerMismatchError(
            f"{len(changed)} tracked files differ from the commit ({names}); commit them or 'git stash'"
        )
    return _git("rev-parse", "HEAD").strip()


def check_commit(wanted: str) -> None:
    """Whether this clone is at the head's commit.

    Raises:
        WorkerMismatchError: it is not.
    """
    if (here := revision()) != wanted:
        raise WorkerMismatchError(
            f"this worker's clone is at {here[:12]}, the head at {wanted[:12]}; 'git pull' one of them"
        )


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise WorkerMismatchError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


@flow(name="stage", persist_result=False, validate_parameters=False)
async def run_stage(stage: str, wanted: str, hours: float = 0.0) -> State:  # type: ignore[type-arg]
    """Run one stage in this clone at commit ``wanted``, and push what it made; the state's name says what happened."""
    context = get_run_context()
    assert isinstance(context, FlowRunContext)
    assert context.flow_run
    os.chdir(os.environ[CLONE])  # Prefect starts a worker's runs in an empty folder
    await asyncio.to_thread(check_commit, wanted)
    devices = this_machine().gpus
    environment = {"CUDA_VISIBLE_DEVICES": ",".join(devices)} if devices else {}
    listener = Listener(get_run_logger(), stage)
    async with _heartbeat(str(context.flow_run.id)):
        try:
            running = reproduce(stage, listener, force=False, environment=environment, pull=True)
            outcome = await asyncio.wait_for(running, hours * 3600 or None)
        finally:
            await listener.flush()
        await push(stage, _ignore_output)
    return Completed(name=outcome, message=f"on {own_tag()}")


async def _ignore_output(_line: Line) -> None:
    """Ignore DVC's transfer bars."""


@asynccontextmanager
async def _heartbeat(run: str) -> AsyncIterator[None]:
    """Touch the run's record every few seconds, so that the head can tell a long stage from a dead machine."""
    beating = asyncio.create_task(_send_heartbeats(run))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def _send_heartbeats(run: str) -> None:
    async with get_client() as client:
        while True:
            with suppress(Exception):  # a server that restarts hears the next one
                await client.update_flow_run(run, tags=[own_tag(), f"alive:{time.time():.0f}"])  # type: ignore[arg-type]
            await asyncio.sleep(HEARTBEAT_SECONDS)

"""Many machines: the head sends stages to the workers of a Prefect work pool, and restores what they made.

Every worker is a clone at the head's commit with the same DVC remote (``python -m flows.worker``). A stage whose
outputs DVC does not cache can't travel, so it runs on the head.
"""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelling, Crashed
from prefect.workers.process import ProcessWorker

from flows.process import StageFailedError
from flows.remote_stage import HEARTBEAT_SECONDS, run_stage
from flows.terminal import VIEW

QUEUES = ("gpu", "cpu")
_POLL_SECONDS = 1.0
_HEARTBEAT_TIMEOUT_SECONDS = 12 * HEARTBEAT_SECONDS
_START_TIMEOUT_SECONDS = 120.0  # for a worker to start what it has taken
_NO_WORKER_WARNING_SECONDS = 30.0
_MAX_SUBMISSIONS = 3


async def ensure_pool(pool: str) -> None:
    """Create the work pool, its queues and its deployment where they are missing; head and workers both may."""
    template = ProcessWorker.get_default_base_job_template()
    async with get_client() as client:
        try:
            await client.read_work_pool(pool)
        except ObjectNotFound:
            await _ignore_existing(
                client.create_work_pool(WorkPoolCreate(name=pool, type="process", base_job_template=template))
            )
        for queue in QUEUES:
            try:
                await client.read_work_queue_by_name(queue, work_pool_name=pool)
            except ObjectNotFound:
                await _ignore_existing(client.create_work_queue(name=queue, work_pool_name=pool))
        flow = await client.create_flow(run_stage)
        await client.create_deployment(
            flow, name=pool, work_pool_name=pool, entrypoint=f"{run_stage.__module__}.{run_stage.fn.__name__}"
        )


async def _ignore_existing(creating: Awaitable[object]) -> None:
    with suppress(ObjectAlreadyExists):
        await creating


async def submit(pool: str, stage: str, wanted: str, *, gpu: bool, hours: float) -> str:
    """Have a worker run ``stage`` at commit ``wanted``; returns how it ended. Submitted again when its machine died.

    ``hours`` (0: no limit) is the time that it may run there.

    Raises:
        StageFailedError: it failed there, or its worker's machine died several times.
    """
    for _ in range(_MAX_SUBMISSIONS):
        sent: FlowRun = await arun_deployment(
            f"stage/{pool}",
            parameters={"stage": stage, "wanted": wanted, "hours": hours},
            flow_run_name=stage,
            work_queue_name="gpu" if gpu else "cpu",
            timeout=0,
        )
        async with get_client() as client:
            try:
                state = await _wait_for_run(client, sent.id, pool)
            except asyncio.CancelledError:
                await asyncio.shield(client.set_flow_run_state(sent.id, Cancelling(), force=True))
                raise
        if state.is_completed():
            return state.name or ""
        if not state.is_crashed():
            raise StageFailedError(f"{stage} failed on a worker: {state.message}")
    raise StageFailedError(
        f"{stage} was submitted {_MAX_SUBMISSIONS} times, and each time the worker's machine stopped answering"
    )


async def _wait_for_run(client: PrefectClient, run: UUID, pool: str) -> State:  # type: ignore[type-arg]
    """Wait for the final state of a submitted run; Crashed when its heartbeats have stopped."""
    began = seen = time.monotonic()
    last_update, warned = None, False
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        try:
            now = await client.read_flow_run(run)
        except (httpx.TransportError, PrefectHTTPStatusError):  # a server that restarts
            seen = time.monotonic()
            continue
        if now.state and now.state.is_final():
            return now.state
        if now.updated != last_update or now.state_type == StateType.SCHEDULED:
            seen, last_update = time.monotonic(), now.updated
        if (
            not warned
            and now.state_type == StateType.SCHEDULED
            and time.monotonic() - began > _NO_WORKER_WARNING_SECONDS
        ):
            warned = True
            get_run_logger().warning("no worker has taken it yet; start one: python -m flows.worker --pool %s", pool)
            VIEW.get().note(f"no worker of {pool} is free yet; one more: python -m flows.worker --pool {pool}")
        patience = _HEARTBEAT_TIMEOUT_SECONDS if now.state_type == StateType.RUNNING else _START_TIMEOUT_SECONDS
        if time.monotonic() - seen > patience:
            crashed: State = Crashed(message="no heartbeat from its machine")  # type: ignore[type-arg]
            await client.set_flow_run_state(run, crashed, force=True)
            return crashed

"""Flow runs whose process was killed: the server shows them as RUNNING until somebody marks them as crashed."""

import os
import platform
from uuid import UUID

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterState
from prefect.client.schemas.filters import FlowRunFilterStateType as StateTypeFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

_PREFIX = "process:"


def own_tag() -> str:
    """Name host, process and its start time, by which a later run tells whether this run's process still exists."""
    return f"{_PREFIX}{platform.node()}:{os.getpid()}:{psutil.Process().create_time():.0f}"


async def mark_crashed_runs(flow_name: str, own_run: UUID) -> list[str]:
    """Mark this host's RUNNING runs of ``flow_name`` whose process is gone as Crashed, and tag the own one.

    Returns the names of the runs that were marked.
    """
    running = FlowRunFilter(state=FlowRunFilterState(type=StateTypeFilter(any_=[StateType.RUNNING])))
    async with get_client() as client:
        await client.update_flow_run(own_run, tags=[own_tag()])
        found = await client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow_name])), flow_run_filter=running
        )
        gone = [run for run in found if run.id != own_run and _is_gone(run)]
        for run in gone:
            await client.set_flow_run_state(run.id, Crashed(message="its process is gone"), force=True)
    return [run.name for run in gone]


def _is_gone(run: FlowRun) -> bool:
    """Whether the run's process was on this host and is gone; runs of other hosts are left to those."""
    for tag in run.tags:
        if tag.startswith(f"{_PREFIX}{platform.node()}:"):
            pid, started = (int(part) for part in tag.rsplit(":", 2)[1:])
            try:
                return abs(psutil.Process(pid).create_time() - started) > 2
            except psutil.NoSuchProcess:
                return True
    return False

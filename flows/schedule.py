"""A plan run as Prefect tasks: one a stage, as many at once as this machine has room for, or on a pool's workers."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from prefect import allow_failure, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.artifacts import show_usage
from flows.dry_run import summarise
from flows.durations import record_duration
from flows.plan import Stage
from flows.process import StageFailedError, reproduce
from flows.progress import Listener
from flows.resource_usage import Usage, sampled
from flows.resources import Resources

_UNCHANGED = "nothing it reads has changed"


@dataclass(frozen=True)
class Where:
    """Where stages run: in this machine's ``slots``, or, with a ``pool``, on its workers at commit ``revision``."""

    slots: Resources
    pool: str = ""
    revision: str = ""


@task(task_run_name="{stage.name}", cache_policy=NO_CACHE, persist_result=False)
async def bring_up_to_date(stage: Stage, where: Where, why: tuple[str, ...], *, force: bool) -> State:  # type: ignore[type-arg]
    """Run one stage through DVC when it has a reason to; the state's name says what happened."""
    logger = get_run_logger()
    if not why and not force:
        return Completed(name="Cached", message=_UNCHANGED)
    for reason in why:
        logger.info("stale: %s", reason)
    said = summarise(why) or "forced"
    if where.pool and stage.travels:
        started = time.monotonic()
        from flows.pool import send  # late, like all of Prefect's workers: most runs need none

        outcome = await send(where.pool, stage.name, where.revision, gpu=stage.gpus > 0, hours=stage.hours)
        record_duration(stage.name, outcome, time.monotonic() - started)
        return Completed(name=outcome, message=said)
    async with where.slots.take(stage.cores, stage.gpus, stage.memory) as devices:
        outcome = await _run_stage(stage, where, devices, force=force)
    return Completed(name=outcome, message=said)


async def _run_stage(stage: Stage, where: Where, devices: tuple[str, ...], *, force: bool) -> str:
    """Run one stage here within its time limit, and leave its usage as an artifact however it ends."""
    started, series = time.monotonic(), list[Usage]()
    listener = Listener(get_run_logger(), stage.name)
    running = reproduce(
        stage.name,
        listener,
        force=force,
        environment={"CUDA_VISIBLE_DEVICES": ",".join(devices)} if where.slots.has_gpus or devices else {},
        watch=lambda pid: sampled(pid, devices, series),
        pull=bool(where.pool),
    )
    try:
        outcome = await asyncio.wait_for(running, stage.hours * 3600 or None)
    except TimeoutError:
        last = "\n".join(listener.last)
        raise StageFailedError(f"{stage.name} exceeded its limit of {stage.hours} h; its last lines:\n{last}") from None
    finally:
        await listener.tell()
        await show_usage(stage.name, series)
    record_duration(stage.name, outcome, time.monotonic() - started)
    return outcome


@task(cache_policy=NO_CACHE, persist_result=False)
async def keep(stages: tuple[str, ...]) -> State:  # type: ignore[type-arg]
    """Stand in the graph for stages of one group that nothing can change."""
    if len(stages) > 1:
        get_run_logger().info("nothing they read has changed: %s", ", ".join(stages))
    return Completed(name="Cached", message=_UNCHANGED)


@task(task_run_name="{stage.name}", cache_policy=NO_CACHE, persist_result=False)
async def skip(stage: Stage, lacking: tuple[str, ...]) -> State:  # type: ignore[type-arg]
    """Stand in the graph for a stage that can't run."""
    get_run_logger().warning("%s did not run: %s failed", stage.name, ", ".join(lacking))
    return Completed(name="Skipped", message=f"needs {', '.join(lacking)}")


async def run_plan(plan: list[Stage], where: Where, *, force: bool) -> dict[str, State]:  # type: ignore[type-arg]
    """Run a plan with as much at once as its place allows; the final state of each stage."""
    runs: dict[str, asyncio.Task[State]] = {}  # type: ignore[type-arg]

    async def unchanged(stages: list[Stage], before: set[asyncio.Task[State]]) -> State:  # type: ignore[type-arg]
        names = tuple(s.name for s in stages)
        name = names[0] if len(names) == 1 else f"{names[0].split('@')[0]} ({len(names)} cells)"
        run: Any = keep.with_options(task_run_name=name)
        return await run(names, wait_for=[await r for r in before], return_state=True)  # type: ignore[no-any-return]

    async def one(stage: Stage) -> State:  # type: ignore[type-arg]
        before = {need: await runs[need] for need in stage.needs if need in runs}
        links = [allow_failure(state) for state in before.values()]
        lacking = tuple(n for n, state in before.items() if not state.is_completed() or state.name == "Skipped")
        if lacking:
            stand_in: Any = skip
            return await stand_in(stage, lacking, wait_for=links, return_state=True)  # type: ignore[no-any-return]
        fresh = [f"{need} {(state.name or '').lower()}" for need, state in before.items() if state.name != "Cached"]
        why = tuple(stage.why or ([] if stage.frozen else fresh))
        run: Any = bring_up_to_date.with_options(retries=stage.retries, retry_delay_seconds=10)
        forced = force and not stage.frozen
        return await run(stage, where, why, force=forced, wait_for=links, return_state=True)  # type: ignore[no-any-return]

    for stages in [] if force else clean_groups(plan):
        before = {runs[need] for stage in stages for need in stage.needs if need in runs}
        shared = asyncio.create_task(unchanged(stages, before))
        runs |= dict.fromkeys((stage.name for stage in stages), shared)
    for stage in plan:
        if stage.name not in runs:
            runs[stage.name] = asyncio.create_task(one(stage))
    try:
        await asyncio.gather(*runs.values())
    finally:
        for run in runs.values():
            run.cancel()
        await asyncio.gather(*runs.values(), return_exceptions=True)
    return {name: run.result() for name, run in runs.items()}


def clean_groups(plan: list[Stage]) -> list[list[Stage]]:
    """Stages that nothing can change, as neither they nor what they need is stale, by group (the part before ``@``)."""
    known, clean = {stage.name for stage in plan}, set[str]()
    groups: dict[str, list[Stage]] = {}
    for stage in plan:
        if not stage.why and (stage.frozen or all(need in clean for need in stage.needs if need in known)):
            clean.add(stage.name)
            groups.setdefault(stage.name.split("@", maxsplit=1)[0], []).append(stage)
    return list(groups.values())

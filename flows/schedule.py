"""A plan run as Prefect tasks: one a stage, as many at once as this machine has room for, or on a pool's workers."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.task_engine import run_task_async

from flows.artifacts import show_usage
from flows.dry_run import summarise
from flows.durations import group_of, record_duration
from flows.plan import Stage
from flows.process import StageFailedError, reproduce
from flows.progress import LOGS, Listener, log_of
from flows.resource_usage import Usage, sampled
from flows.resources import Resources
from flows.states import UNCHANGED, finished, is_usable, name_of, skipped
from flows.task_records import Unit, announce, withdraw
from flows.terminal import VIEW

_NO_REASON = "nothing it reads has changed"
_MOST_NEEDS = 3  # failed or skipped stages that a skipped one names


@dataclass(frozen=True)
class Where:
    """Where stages run: on this machine's ``resources``, or, with a ``pool``, on its workers at ``revision``."""

    resources: Resources
    pool: str = ""
    revision: str = ""


@task(task_run_name="{stage.name}", cache_policy=NO_CACHE, persist_result=False)
async def bring_up_to_date(
    stage: Stage, where: Where, why: tuple[str, ...], lacking: tuple[str, ...], *, force: bool
) -> State:  # type: ignore[type-arg]
    """Run one stage through DVC when it has a reason to; the state's name says what happened."""
    logger = get_run_logger()
    if lacking:
        logger.warning("%s did not run: %s failed", stage.name, ", ".join(lacking))
        more = f" and {len(lacking) - _MOST_NEEDS} more" if len(lacking) > _MOST_NEEDS else ""
        return skipped(f"needs {', '.join(lacking[:_MOST_NEEDS])}{more}")
    if not why and not force:
        return finished(UNCHANGED, _NO_REASON)
    for reason in why:
        logger.info("stale: %s", reason)
    if where.pool and stage.travels:
        outcome = await _run_on_worker(stage, where)
    else:
        async with where.resources.take(stage.cores, stage.gpus, stage.memory) as devices:
            VIEW.get().start(stage.name)
            outcome = await _run_here(stage, where, devices, force=force)
    return finished(outcome, summarise(why) or "forced")


async def _run_on_worker(stage: Stage, where: Where) -> str:
    """Have a worker of the pool run a stage."""
    from flows.pool import submit  # late, like all of Prefect's workers: most runs need none

    started = time.monotonic()
    VIEW.get().start(stage.name)
    outcome = await submit(where.pool, stage.name, where.revision, gpu=stage.gpus > 0, hours=stage.hours)
    record_duration(stage.name, outcome, time.monotonic() - started)
    return outcome


async def _run_here(stage: Stage, where: Where, devices: tuple[str, ...], *, force: bool) -> str:
    """Run one stage here within its time limit, and leave its usage as an artifact however it ends."""
    started, series = time.monotonic(), list[Usage]()
    listener = Listener(get_run_logger(), stage.name)
    running = reproduce(
        stage.name,
        listener,
        force=force,
        environment={"CUDA_VISIBLE_DEVICES": ",".join(devices)} if where.resources.has_gpus or devices else {},
        watch=lambda pid: sampled(pid, devices, series),
        pull=bool(where.pool),
    )
    try:
        outcome = await asyncio.wait_for(running, stage.hours * 3600 or None)
    except TimeoutError:
        last = "\n".join(listener.last)
        limit = f"{stage.name} exceeded its limit of {stage.hours} h"
        raise StageFailedError(f"{limit}; its last lines:\n{last}\n{limit}") from None
    finally:
        await listener.flush()
        await show_usage(stage.name, series)
    record_duration(stage.name, outcome, time.monotonic() - started)
    return outcome


@task(cache_policy=NO_CACHE, persist_result=False)
async def placeholder(stages: tuple[str, ...]) -> State:  # type: ignore[type-arg]
    """Show stages of one group that nothing can change as one task of the graph."""
    if len(stages) > 1:
        get_run_logger().info("nothing they read has changed: %s", ", ".join(stages))
    return finished(UNCHANGED, _NO_REASON)


@dataclass
class PlanRun:
    """One run of a plan: the task of each stage, and the records by which the server knows those that are to come."""

    plan: list[Stage]
    where: Where
    force: bool
    tasks: dict[str, asyncio.Task[State]] = field(default_factory=dict)  # type: ignore[type-arg]
    records: dict[str, TaskRun] = field(default_factory=dict)

    async def run(self) -> dict[str, State]:  # type: ignore[type-arg]
        """Run all stages, as many at once as there is room for; the final state of each."""
        VIEW.get().begin(self.plan, self.where.resources.cores, force=self.force)
        groups = [] if self.force else clean_groups(self.plan)
        shared = {stage.name for stages in groups for stage in stages}
        alone = [stage for stage in self.plan if stage.name not in shared]
        units: list[Unit] = [(placeholder, stages) for stages in groups]
        self.records = announce([*units, *((bring_up_to_date, [stage]) for stage in alone)])
        for stages in groups:
            task_of_group = asyncio.create_task(self._run_group(tuple(stage.name for stage in stages)))
            self.tasks |= dict.fromkeys((stage.name for stage in stages), task_of_group)
        for stage in alone:
            self.tasks[stage.name] = asyncio.create_task(self._run_stage(stage))
        try:
            await asyncio.gather(*self.tasks.values())
        finally:
            for running in self.tasks.values():
                running.cancel()
            await asyncio.gather(*self.tasks.values(), return_exceptions=True)
            withdraw(self.records.values())
        return {name: done.result() for name, done in self.tasks.items()}

    async def _run_group(self, names: tuple[str, ...]) -> State:  # type: ignore[type-arg]
        """Run the placeholder task of stages that nothing can change."""
        record = self.records.pop(names[0])
        parameters = {"stages": names}
        task_of_group: Any = placeholder.with_options(task_run_name=record.name)
        state = await run_task_async(task_of_group, task_run=record, parameters=parameters, return_type="state")
        for name in names:
            VIEW.get().end(name, UNCHANGED, "")
        return state  # type: ignore[return-value]

    async def _run_stage(self, stage: Stage) -> State:  # type: ignore[type-arg]
        """Run a stage's task once those of the stages that it needs have ended.

        Prefect is told of the order in the task's record, not by ``wait_for``, which takes COMPLETED states alone.
        """
        before = {need: await self.tasks[need] for need in stage.needs if need in self.tasks}
        lacking = tuple(need for need, state in before.items() if not is_usable(state))
        changed = [f"{need} {(state.name or '').lower()}" for need, state in before.items() if state.name != UNCHANGED]
        task_of_stage: Any = bring_up_to_date.with_options(retries=stage.retries, retry_delay_seconds=10)
        parameters = {
            "stage": stage,
            "where": self.where,
            "why": tuple(stage.why or ([] if stage.frozen else changed)),
            "lacking": lacking,
            "force": self.force and not stage.frozen,
        }
        record = self.records.pop(stage.name)
        state: State = await run_task_async(  # type: ignore[type-arg, assignment]
            task_of_stage, task_run=record, parameters=parameters, return_type="state"
        )
        failed = not is_usable(state) and not lacking
        detail = f"its log: {log_of(stage.name)}" if failed and log_of(stage.name).exists() else ""
        VIEW.get().end(stage.name, name_of(state), state.message or "" if lacking else detail)
        return state


async def run_plan(plan: list[Stage], where: Where, *, force: bool) -> dict[str, State]:  # type: ignore[type-arg]
    """Run a plan with as much at once as its place allows; the final state of each stage."""
    LOGS.mkdir(parents=True, exist_ok=True)
    return await PlanRun(plan, where, force).run()


def clean_groups(plan: list[Stage]) -> list[list[Stage]]:
    """Stages that nothing can change, as neither they nor what they need is stale, by group (the part before ``@``)."""
    known, clean = {stage.name for stage in plan}, set[str]()
    groups: dict[str, list[Stage]] = {}
    for stage in plan:
        if not stage.why and (stage.frozen or all(need in clean for need in stage.needs if need in known)):
            clean.add(stage.name)
            groups.setdefault(group_of(stage.name), []).append(stage)
    return list(groups.values())

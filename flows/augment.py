"""The pipeline as a Prefect flow: one task a DVC stage, independent stages in parallel, DVC the only cache.

``python -m flows.augment`` runs it; ``--target``, repeated, runs what some stages need; ``--dry-run`` shows the plan.
Each task ends as Cached (nothing changed), Restored (from DVC's run cache), Completed (it ran), Failed, or Skipped
(something it needs failed). A failure stops what depends on it; the rest finishes, and then the flow fails.
Cells of one group that nothing can change share one task: in a grid of hundreds, only what matters is to be seen.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

from prefect import allow_failure, flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, get_run_context
from prefect.states import Completed

from flows.artifacts import show_results, show_usage
from flows.dead import bury_the_dead
from flows.experiment import override, save
from flows.grid import refresh_cells
from flows.history import Estimates, remember
from flows.lockfile import sort_lock
from flows.plan import Stage, read_plan
from flows.process import StageFailedError, push, reproduce, restore
from flows.progress import Listener
from flows.reach import ServerError
from flows.remote import MisfitError, revision
from flows.server import temporary_server
from flows.slots import Slots, machine
from flows.usage import Usage, watched

_LAST_WORDS_SECONDS = 5
_UNCHANGED = "nothing it reads has changed"


class PipelineFailedError(RuntimeError):
    """Some stages failed; what did not depend on them has finished."""


@dataclass(frozen=True)
class Where:
    """Where stages run: in this machine's ``slots``, or, with a ``pool``, on its workers at commit ``revision``."""

    slots: Slots
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
    said = _briefly(why) or "forced"
    if where.pool and stage.travels:
        started = time.monotonic()
        from flows.pool import send  # late, like all of Prefect's workers: most runs need none

        outcome = await send(where.pool, stage.name, where.revision, gpu=stage.gpus > 0, hours=stage.hours)
        remember(stage.name, outcome, time.monotonic() - started)
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
        watch=lambda pid: watched(pid, devices, series),
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
    remember(stage.name, outcome, time.monotonic() - started)
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


def _briefly(why: tuple[str, ...], most: int = 3) -> str:
    more = f" and {len(why) - most} more" if len(why) > most else ""
    return "; ".join(why[:most]) + more


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
        why = tuple(stage.why or fresh)
        run: Any = bring_up_to_date.with_options(retries=stage.retries, retry_delay_seconds=10)
        return await run(stage, where, why, force=force, wait_for=links, return_state=True)  # type: ignore[no-any-return]

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
        if not stage.why and all(need in clean for need in stage.needs if need in known):
            clean.add(stage.name)
            groups.setdefault(stage.name.split("@", maxsplit=1)[0], []).append(stage)
    return list(groups.values())


@flow(name="augment", persist_result=False, validate_parameters=False)
async def augment(
    targets: tuple[str, ...] = (),
    *,
    force: bool = False,
    cores: int = 0,
    overrides: tuple[str, ...] = (),
    experiment: str = "",
    pool: str = "",
) -> dict[str, str]:
    """Bring the pipeline up to date; the name of each stage's final state.

    Args:
        targets: Stages, or groups of cells such as ``generate``, with what they need; empty means all.
        force: Run stages even where nothing changed.
        cores: Cores to share between stages; 0 means all that this process may use.
        overrides: Changes to params.yaml such as ``classifier.updates=200``; the result is saved as an experiment.
        experiment: The name to save the result under; empty means the flow run's name.
        pool: A work pool whose workers run the stages; this clone restores what they made.

    Raises:
        PipelineFailedError: stages failed; the message names them.
        ValueError: a target, an override or the experiment's name is wrong.
        MisfitError: workers could not compute for this clone as it is.
    """
    context = get_run_context()
    assert isinstance(context, FlowRunContext)
    assert context.flow_run
    plan, _ = await asyncio.gather(asyncio.to_thread(_plan, targets, overrides), _bury_the_dead(context.flow_run.id))
    where = Where(machine(cores), pool, await _call_workers(pool) if pool else "")
    states = await run_plan(plan, where, force=force)
    if pool and all(state.is_completed() for state in states.values()):
        await restore(targets, Listener(get_run_logger(), "restore"))
    names = await _conclude(plan, states)
    failed = [name for name, state in states.items() if not state.is_completed()]
    if failed:
        skipped = [name for name, state in names.items() if state == "Skipped"]
        raise PipelineFailedError(f"failed: {', '.join(failed)}; skipped for it: {', '.join(skipped) or 'none'}")
    if experiment or overrides:
        saved = await asyncio.to_thread(save, experiment or context.flow_run.name)
        get_run_logger().info("saved as experiment %s: 'dvc exp show' compares it", saved)
    return names


async def _conclude(plan: list[Stage], states: dict[str, State]) -> dict[str, str]:  # type: ignore[type-arg]
    """Put the lock in order and show what came of each stage; the names of their final states."""
    names = {name: state.name or "" for name, state in states.items()}
    ran = set(names.values()) - {"Cached"}
    if ran:
        await asyncio.to_thread(sort_lock, [stage.name for stage in plan])
    rows = [{"stage": s.name, "state": names[s.name], "why": _briefly(s.why)} for s in plan]
    await acreate_table_artifact(rows, key="stages", description="What happened to each stage, and why it was stale")
    if ran:
        await show_results()
    return names


async def _bury_the_dead(own: UUID) -> None:
    for name in await bury_the_dead("augment", own):
        get_run_logger().warning("run %s died without a word: marked as crashed", name)


def _plan(targets: tuple[str, ...], overrides: tuple[str, ...]) -> list[Stage]:
    if overrides:
        override(list(overrides))
    refresh_cells()
    return read_plan(tuple(targets))


async def _call_workers(pool: str) -> str:
    """Make the pool known and send it what is here already; the commit that its workers must be at."""
    from flows.pool import ensure_pool

    wanted = await asyncio.to_thread(revision)
    await ensure_pool(pool)
    await push("", Listener(get_run_logger(), "push"))
    return wanted


def show_plan(plan: list[Stage]) -> str:
    """The plan as a table: what would run, why, and how long it took before."""
    stale: set[str] = set()
    seconds, width = Estimates(), max((len(stage.name) for stage in plan), default=0)
    lines = [f"{'stage':{width}} {'seconds':>8}  why"]
    for stage in plan:
        upstream = [need for need in stage.needs if need in stale]
        reasons = stage.why or tuple(f"{need} may change" for need in upstream)
        if reasons:
            stale.add(stage.name)
            lines.append(f"{stage.name:{width}} {seconds.of(stage.name):>8}  {_briefly(reasons)}")
    return "\n".join([*lines, f"{len(stale)} of {len(plan)} stages may run"])


def interrupted() -> NoReturn:
    """End after Ctrl-C: once Prefect has sent what it still has to, within seconds; asked for again, at once."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    last = threading.Timer(_LAST_WORDS_SECONDS, os._exit, (130,))
    last.daemon = True
    last.start()
    print("\ninterrupted: what was finished is kept; the next run goes on from there", file=sys.stderr, flush=True)
    sys.exit(130)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", action="append", default=[], help="a stage, or a group of cells such as generate")
    parser.add_argument("--force", action="store_true", help="run stages even where nothing changed")
    parser.add_argument("--dry-run", action="store_true", help="show what would run and why, then stop")
    parser.add_argument("--cores", type=int, default=0, help="cores to share between stages (default: all)")
    parser.add_argument("-S", "--set-param", action="append", default=[], help="override, e.g. classifier.updates=200")
    parser.add_argument("--name", default="", help="save the result as a DVC experiment of this name")
    parser.add_argument("--pool", default="", help="have the workers of this Prefect work pool run the stages")
    args = parser.parse_args()
    targets = tuple(args.target)
    gc.set_threshold(200_000, 20, 20)  # a plan makes many small objects: a tenth of it was looking for cycles
    try:
        if args.dry_run:
            refresh_cells()
            print(show_plan(read_plan(targets)))
        else:
            changes = {"overrides": tuple(args.set_param), "experiment": args.name, "pool": args.pool}
            with temporary_server():
                asyncio.run(augment(targets, force=args.force, cores=args.cores, **changes))
    except KeyboardInterrupt:
        interrupted()
    except (ValueError, PipelineFailedError, StageFailedError, MisfitError, ServerError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

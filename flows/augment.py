"""The pipeline as a Prefect flow: one task a DVC stage, independent stages in parallel, DVC the only cache.

Each task ends as Completed (it ran), Restored (from DVC's run cache), Unchanged (it did not have to run), Failed, or
Skipped (something it needs failed). A failure stops what depends on it; the rest finishes, and then the flow fails.
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
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from dvc.exceptions import DvcException
from prefect import flow, get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext, get_run_context
from prefect.exceptions import TerminationSignal
from prefect.utilities.urls import url_for

from flows import GOES_ON
from flows.artifacts import SUMMARY, show_results
from flows.code_digests import refresh_code
from flows.crashed_runs import mark_crashed_runs
from flows.dry_run import needed, show_plan, summarise
from flows.experiment import save
from flows.grid import CELLS, PARAMS, refresh_cells, require_inputs
from flows.lockfile import sort_lock
from flows.overrides import Overridden, check_parameters, check_start, overridden
from flows.plan import Stage, read_plan
from flows.process import StageFailedError, push, restore
from flows.progress import Listener
from flows.remote_stage import WorkerMismatchError, revision
from flows.repair import repair_rwlock
from flows.resources import this_machine
from flows.schedule import Where, run_plan
from flows.server import temporary_server
from flows.server_check import ServerError
from flows.states import UNCHANGED, PipelineFailedError, States, is_usable, name_of, raise_on_failure
from flows.terminal import VIEW, shown_in_terminal

_SHUTDOWN_SECONDS = 5
_KILLED_SECONDS = 0.5  # for the kernel to end the processes that were just killed, whose locks are to go
EXAMPLE = """example:
  ./run python -m flows.augment --target evaluate -S classifier.updates=600 --name longer
      brings the evaluations, and what they need, up to date with longer trained classifiers, saved as an experiment

each stage that is not up to date runs as: dvc repro --single-item STAGE
"""


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
        overrides: Changes to params.yaml such as ``classifier.updates=200``; the result is saved as an experiment. They
            stay there when the run succeeds, as after ``dvc exp run``, and are taken back when it does not.
        experiment: The name to save the result under; empty means the flow run's name.
        pool: A work pool whose workers run the stages; this clone restores what they made.

    Raises:
        PipelineFailedError: stages failed; the message names them.
        ValueError: a target, an override or the experiment's name is wrong.
        WorkerMismatchError: workers could not compute for this clone as it is.
    """
    run = _own_run()
    if restored := check_start(overrides, experiment, pool):
        _warn(restored)
    with overridden(overrides) if overrides else nullcontext() as change:
        plan, _ = await asyncio.gather(asyncio.to_thread(_plan, targets, overrides, pool), _mark_crashed_runs(run.id))
        where = Where(this_machine(cores), pool, await _prepare_pool(pool) if pool else "")
        _warn_of_large_stages(plan, where, force=force)
        states = await run_plan(plan, where, force=force)
        if pool and all(is_usable(state) for state in states.values()):
            await restore(targets, Listener(get_run_logger(), "restore"))
        names = await _conclude(plan, states)
        raise_on_failure(states)
        if experiment or overrides:
            await _save(experiment or run.name, plan, change)
    return names


def _own_run() -> FlowRun:
    """Return this flow run, and show at the terminal where it can be watched."""
    context = get_run_context()
    assert isinstance(context, FlowRunContext)
    assert context.flow_run
    VIEW.get().note(f"watch it at {url_for(context.flow_run)}")
    return context.flow_run


def _warn(text: str) -> None:
    get_run_logger().warning(text)
    VIEW.get().note(text)


async def _save(name: str, plan: list[Stage], change: Overridden | None) -> None:
    """Save the workspace as an experiment, in which the overridden parameters stay."""
    if change:
        change.keep()
    saved = await asyncio.to_thread(save, name, next(stage.name for stage in reversed(plan) if not stage.frozen))
    notes = [f"saved as experiment {saved}: 'dvc exp show' compares it"]
    if "report" not in {stage.name for stage in plan}:
        notes.append(f"{SUMMARY} is of an earlier run: the report was no target")
    if change:
        notes.append(
            f"the workspace holds the experiment, -S {' -S '.join(change.overrides)} included; "
            f"'git checkout {PARAMS} {CELLS} dvc.lock {SUMMARY} && dvc checkout' goes back to the commit"
        )
    for note in notes:
        get_run_logger().info(note)
        VIEW.get().note(note)


async def _conclude(plan: list[Stage], states: States) -> dict[str, str]:
    """Put the lock in order and show what came of each stage; the names of their final states."""
    names = {name: name_of(state) for name, state in states.items()}
    changed = set(names.values()) - {UNCHANGED}
    if changed:
        await asyncio.to_thread(sort_lock, [stage.name for stage in plan])
    rows = [{"stage": s.name, "state": names[s.name], "why": summarise(s.why)} for s in plan]
    await acreate_table_artifact(rows, key="stages", description="What happened to each stage, and why it was stale")
    if changed:
        await show_results()
    VIEW.get().finish(names)
    return names


async def _mark_crashed_runs(own: UUID) -> None:
    for name in await mark_crashed_runs("augment", own):
        _warn(f"run {name} was killed before it could say how it ended: marked as crashed")


def _plan(targets: tuple[str, ...], overrides: tuple[str, ...], pool: str) -> list[Stage]:
    if not overrides:
        refresh_cells(prune=True)
    refresh_code()
    if not pool:  # else the workers may have the data
        require_inputs()
    return read_plan(tuple(targets))


def _warn_of_large_stages(plan: list[Stage], where: Where, *, force: bool) -> None:
    if not where.pool:
        for warning in needed(plan, where.resources, force=force)[1:]:
            _warn(warning)


async def _prepare_pool(pool: str) -> str:
    """Make the pool known and send it what is here already; the commit that its workers must be at."""
    from flows.pool import ensure_pool

    wanted = await asyncio.to_thread(revision)
    await ensure_pool(pool)
    await push("", Listener(get_run_logger(), "push"))
    return wanted


def exit_interrupted(status: int = 130, what: str = "interrupted") -> NoReturn:
    """End after Ctrl-C: within seconds, for Prefect to send what it still has to; asked for again, at once."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(status))
    deadline = threading.Timer(_SHUTDOWN_SECONDS, os._exit, (status,))
    deadline.daemon = True
    deadline.start()
    if hasattr(signal, "alarm"):  # no thread runs any more once the interpreter takes itself apart; this does
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(2 * _SHUTDOWN_SECONDS)
    time.sleep(_KILLED_SECONDS)
    repair_rwlock(Path(".dvc/tmp"))
    print(f"\n{what}: {GOES_ON}", file=sys.stderr, flush=True)
    sys.exit(status)


def _show(plan: list[Stage], overrides: tuple[str, ...], args: argparse.Namespace) -> None:
    """Print what would run, and, where it would be here, what that needs."""
    needs_of_it = [] if args.pool else needed(plan, this_machine(args.cores), force=args.force)
    print(show_plan(plan, overrides, needs_of_it))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flows.augment",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--target", action="append", default=[], help="a stage, or a group of cells such as generate")
    parser.add_argument("--force", action="store_true", help="run stages even where nothing changed")
    parser.add_argument("--dry-run", action="store_true", help="show what would run and why, then stop")
    parser.add_argument("--cores", type=int, default=0, help="cores to share between stages (default: all)")
    parser.add_argument("-S", "--set-param", action="append", default=[], help="override, e.g. classifier.updates=200")
    parser.add_argument("--name", default="", help="save the result as a DVC experiment of this name")
    parser.add_argument("--pool", default="", help="have the workers of this Prefect work pool run the stages")
    return parser.parse_args()


def main() -> None:
    """Command line."""
    args = _arguments()
    targets, overrides = tuple(args.target), tuple(args.set_param)
    gc.set_threshold(200_000, 20, 20)  # a plan makes many small objects: a tenth of it was looking for cycles
    try:
        if restored := check_start(overrides, args.name, args.pool):
            print(restored, file=sys.stderr)
        if args.dry_run:
            refresh_code()
            with overridden(overrides, quietly=True):  # the plan says it
                _show(read_plan(targets), overrides, args)
        else:
            check_parameters(overrides, targets, here=not args.pool)  # before a server is started
            changes = {"overrides": overrides, "experiment": args.name, "pool": args.pool}
            with temporary_server() as temporary, shown_in_terminal() as view:
                try:
                    asyncio.run(augment(targets, force=args.force, cores=args.cores, **changes))
                except PipelineFailedError:
                    if temporary:
                        view.note("'python -m flows.serve' shows this run in the UI")
                    raise
    except KeyboardInterrupt:
        exit_interrupted()
    except TerminationSignal:
        exit_interrupted(143, "ended by a signal")
    except (ValueError, PipelineFailedError, StageFailedError, WorkerMismatchError, ServerError, DvcException) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

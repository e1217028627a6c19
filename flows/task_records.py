"""Task runs made known to the server before they begin, so that its UI shows from the start what is to come.

Prefect itself creates a task run when the task is called; these are created, in the same form, when the plan is known,
and handed to the engine when their turn has come.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid4

from prefect.client.schemas.objects import State, StateDetails, TaskRun, TaskRunPolicy, TaskRunResult
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Pending
from prefect.tasks import Task
from prefect.utilities.engine import emit_task_run_state_change_event

from flows.durations import group_of
from flows.plan import Stage
from flows.states import WAITING

Unit = tuple[Task, Sequence[Stage]]  # type: ignore[type-arg]


def announce(units: Iterable[Unit]) -> dict[str, TaskRun]:
    """Tell the server of one waiting task run for each unit, in their order; the records by the first stage's name."""
    units = list(units)
    ids = {stage.name: id_ for _, stages in units for id_ in [uuid4()] for stage in stages}
    records = {}
    for task, stages in units:
        first = stages[0].name
        needs = {ids[need] for stage in stages for need in stage.needs if need in ids} - {ids[first]}
        name = first if len(stages) == 1 else f"{group_of(first)} ({len(stages)} cells)"
        records[first] = _record(task, name, ids[first], needs)
        state = records[first].state
        assert state
        emit_task_run_state_change_event(records[first], initial_state=None, validated_state=state)
    return records


def _record(task: Task, name: str, id_: UUID, needs: Iterable[UUID]) -> TaskRun:  # type: ignore[type-arg]
    """A task run as ``Task.create_local_run`` makes it, but for its name, its inputs and the state's name."""
    context = FlowRunContext.get()
    assert context
    assert context.flow_run
    details = StateDetails(task_run_id=id_, flow_run_id=context.flow_run.id)
    state: State = Pending(name=WAITING, state_details=details)  # type: ignore[type-arg]
    return TaskRun(
        id=id_,
        name=name,
        flow_run_id=context.flow_run.id,
        task_key=task.task_key,
        dynamic_key=str(id_),
        task_version=task.version,
        empirical_policy=TaskRunPolicy(retries=task.retries),
        task_inputs={"wait_for": [TaskRunResult(id=need) for need in sorted(needs)]},
        expected_start_time=state.timestamp,  # type: ignore[arg-type]
        state_id=state.id,
        state_type=state.type,
        state_name=state.name,
        state=state,
        created=state.timestamp,  # type: ignore[arg-type]
        updated=state.timestamp,  # type: ignore[arg-type]
    )


def withdraw(records: Iterable[TaskRun]) -> None:
    """Tell the server of task runs that won't begin, as the flow run ends before them."""
    for record in records:
        details = StateDetails(task_run_id=record.id, flow_run_id=record.flow_run_id)
        state: State = Cancelled(message="the run ended before it", state_details=details)  # type: ignore[type-arg]
        emit_task_run_state_change_event(record, initial_state=record.state, validated_state=state)

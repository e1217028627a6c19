"""The final states of a stage's task: their names, and their types, of which Prefect's UI makes colours.

Only a stage that ran or was restored looks like a success. One that nothing has changed, and one that could not run,
did no work in this run: both have the type CANCELLED, which the UI shows in grey, and names that say which it was.
"""

from collections.abc import Mapping

from prefect.client.schemas.objects import State, StateType

RAN = "Completed"
RESTORED = "Restored"
UNCHANGED = "Unchanged"
SKIPPED = "Skipped"
FAILED = "Failed"
WAITING = "Waiting"

_MAX_REASONS = 10  # failed stages whose reasons are repeated at the end

States = Mapping[str, State]  # type: ignore[type-arg]


def finished(name: str, message: str) -> State:  # type: ignore[type-arg]
    """The state of a stage that DVC has brought up to date; ``name`` is RAN, RESTORED or UNCHANGED."""
    kind = StateType.CANCELLED if name == UNCHANGED else StateType.COMPLETED
    return State(type=kind, name=name, message=message)


def skipped(message: str) -> State:  # type: ignore[type-arg]
    """The state of a stage that can't run, as one that it needs has failed."""
    return State(type=StateType.CANCELLED, name=SKIPPED, message=message)


def is_usable(state: State) -> bool:  # type: ignore[type-arg]
    """Whether the stage's outputs are up to date."""
    return state.name in (RAN, RESTORED, UNCHANGED)


def name_of(state: State) -> str:  # type: ignore[type-arg]
    """One of the names above; whatever else went wrong (a crash, a time limit of Prefect's) counts as failed."""
    return state.name if state.name in (RAN, RESTORED, UNCHANGED, SKIPPED) else FAILED


class PipelineFailedError(RuntimeError):
    """Some stages failed; what did not depend on them has finished."""


def raise_on_failure(states: States) -> None:
    """End a run in which stages failed.

    Raises:
        PipelineFailedError: some did; the message ends with the reason of each.
    """
    failed = [name for name, state in states.items() if not is_usable(state) and state.name != SKIPPED]
    if failed:
        skipped = [name for name, state in states.items() if state.name == SKIPPED]
        raise PipelineFailedError(
            f"failed: {_listed(failed)}; skipped for it: {_listed(skipped)}\n"
            + "\n".join(f"{name}: {_reason(states, name)}" for name in failed[-_MAX_REASONS:])
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_REASONS} more" if len(names) > _MAX_REASONS else ""
    return f"{', '.join(names[:_MAX_REASONS]) or 'none'}{more}"


def _reason(states: States, stage: str) -> str:
    """Why a stage failed: what its message ends with."""
    state = states[stage]
    return (state.message or state.name or "failed").strip().splitlines()[-1].strip().removeprefix("error: ")

"""What ran is what is recorded: DVC hashes code and parameters when a stage has ended, not when it began.

So a stage whose code, or whose parameters, were changed while it worked ends with an error, and DVC records nothing.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pipeline_steps
from pipeline_steps.stage.outputs import OutputError
from pipeline_steps.stage.params import changed_since_read


class ChangedError(OutputError):
    """Code, parameters or inputs of a stage were changed while it ran."""


def refuse_changes() -> None:
    """End a stage whose code or parameters are not those that it began with.

    Raises:
        ChangedError: with the names of all that was changed.
    """
    changed = [*sorted(_changed_code()), *changed_since_read()]
    if changed:
        raise ChangedError(
            f"changed while this stage ran: {', '.join(changed)}; what it made belongs to the old state, so it is not "
            "recorded: run again"
        )


def listing(places: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """Size and time of change of each file at ``places`` (files or folders): what DVC will hash once a stage ended."""
    files = (f for place in places for f in ([place] if place.is_file() else sorted(place.rglob("*"))))
    return {
        str(f): (f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file() and "__pycache__" not in f.parts
    }


def refuse_changed_files(before: Mapping[str, tuple[int, int]], places: Iterable[Path]) -> None:
    """End a stage whose input files are not those that ``listing`` gave when it began.

    Raises:
        ChangedError: with how many were changed, and one of them.
    """
    now = listing(places)
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    if changed:
        raise ChangedError(
            f"{len(changed)} files were changed, added or removed while this stage read them (such as {changed[0]}); "
            "run again once they are as they shall be"
        )


def _changed_code() -> Iterator[str]:
    """Files that this process loaded, or that lie beside the code, and that are not what they were at the start."""
    if not pipeline_steps.SOURCES:
        return
    root, now = Path(pipeline_steps.__file__).parent, pipeline_steps.sources()
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    loaded = {Path(file).resolve() for file in files if file}
    for name in {*now, *pipeline_steps.SOURCES}:
        if now.get(name) == pipeline_steps.SOURCES.get(name):
            continue
        if not name.endswith(".py") or (root / name).resolve() in loaded:
            yield f"pipeline_steps/{name}"

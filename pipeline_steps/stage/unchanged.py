"""What ran is what is recorded: DVC hashes code and parameters when a stage has ended, not when it began.

So a stage whose code, or whose parameters, were changed while it worked ends with an error, and DVC records nothing.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pipeline_steps
from pipeline_steps.stage.outputs import OutputError
from pipeline_steps.stage.params import changed_since_read


class ChangedError(OutputError):
    """What a stage ran on is not what lies there now."""


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

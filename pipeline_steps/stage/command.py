"""What the commands that people type have in common; stages have ``stage.run``."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.outputs import OutputError
from pipeline_steps.stage.params import ParamsError

_MARK = "dvc.yaml"  # what the project's folder has, and no folder in it


def arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What was typed; all paths that a command reads are relative to the project's folder, so elsewhere it ends.

    ``./run`` goes there by itself: then paths that were typed are those of the folder in which it was called.

    Raises:
        SystemExit: a flag is wrong, or this is not the project's folder: with the one to go to.
    """
    args = parser.parse_args()
    here = Path.cwd()
    if not (here / _MARK).exists():
        above = (folder for folder in here.parents if (folder / _MARK).exists())
        root = next(above, Path(__file__).resolve().parents[2])
        sys.exit(f"error: {here} has no {_MARK}: run from the repository's root ('cd {root}')")
    if called_from := os.environ.get("EQUIDERM_CALLED_FROM"):
        typed = {name: value for name, value in vars(args).items() if isinstance(value, Path)}
        vars(args).update({name: Path(called_from, path) for name, path in typed.items()})
    return args


@contextmanager
def errors_in_a_line() -> Iterator[None]:
    """End with one line and exit status 1 where a person must mend something.

    Raises:
        SystemExit: parameters, data or outputs are not as they must be.
    """
    try:
        yield
    except (ParamsError, DataError, OutputError) as error:
        sys.exit(f"error: {error}")

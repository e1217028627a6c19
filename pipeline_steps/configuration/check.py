"""Whether params.yaml is right in itself, and cells.yaml what its grid expands to: all mistakes, before any work."""

from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from pipeline_steps.configuration.cells import NOT_DEFINED, Cells
from pipeline_steps.configuration.fits import LOOKS
from pipeline_steps.configuration.grid import partly_expanded
from pipeline_steps.configuration.sections import section_mistakes
from pipeline_steps.stage.mistakes import listed
from pipeline_steps.stage.params import PARAMS_FILE, ParamsError, read_yaml
from pipeline_steps.stage.wiring import MAKER, REMEDY

CELLS_FILE = Path("cells.yaml")
T = TypeVar("T")
_BROKEN = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError)  # what wrong parameters raise


def checked_cells(params: Any, what: object = PARAMS_FILE, found: Sequence[str] | None = None) -> Cells:
    """What the grid of ``params`` expands to; errors call the parameters ``what``.

    ``found``: mistakes in its sections, where they have been looked for.

    Raises:
        ParamsError: with every mistake that can be found.
    """
    lines = section_mistakes(params) if found is None else [*found]
    nothing: tuple[Cells, list[str]] = ({}, [])
    cells, wrong = _as_far_as_it_goes(lambda: partly_expanded(params), nothing, lines)
    lines += [line for line in wrong if line not in lines]
    for look in LOOKS if cells else ():
        lines += _as_far_as_it_goes(lambda look=look: list(look(params, cells)), [], lines)  # type: ignore[misc]
    if lines:
        raise ParamsError(listed(lines, what))
    return cells


def cells_text(cells: Cells) -> str:
    """The text of ``cells.yaml``."""
    yaml, stream = YAML(), StringIO()
    yaml.default_flow_style = False
    yaml.dump({"made_by": MAKER, "cells": cells}, stream)
    return "# Made from grid in params.yaml. DVC shows made_by where it would show all cells.\n" + stream.getvalue()


def _as_far_as_it_goes(step: Callable[[], T], otherwise: T, mistakes: list[str]) -> T:
    """What ``step`` gives; ``otherwise`` where it fails on parameters that are known to be wrong."""
    try:
        return step()
    except _BROKEN:
        if not mistakes:
            raise
        return otherwise


def check(params_file: Path = PARAMS_FILE, cells_file: Path = CELLS_FILE) -> None:
    """Whether ``params_file`` is right, and ``cells_file`` what its grid expands to.

    Raises:
        ParamsError: with every mistake; or how the cells differ, and the command that makes them anew.
    """
    params = read_yaml(params_file)
    try:
        cells = checked_cells(params, params_file)
    except ParamsError as error:
        if NOT_DEFINED not in str(error):
            raise
        raise ParamsError(f"{error}; what config/ defines is fetched by '{MAKER}'") from None
    if absent := absent_data(params, cells):  # DVC would say that a dependency is missing, and not what it is for
        raise ParamsError(absent)
    try:
        found = read_yaml(cells_file)
    except ParamsError as error:
        raise ParamsError(f"{error}; {REMEDY}") from None
    held = found.get("cells") if isinstance(found, dict) else None
    if held != cells:
        held = held if isinstance(held, dict) else {}
        raise ParamsError(
            f"{cells_file} is not what the grid of {params_file} expands to ({_differs(held, cells)}); {REMEDY}"
        )


def absent_data(params: Any, cells: Cells) -> str:
    """That nothing is where ``ingest`` reads, with what to do about it; nothing where all is there."""
    adapter, reads = params["ingest"]["adapter"], cells["ingest"]["reads"]
    absent = [f"{place} ({kind})" for kind, place in reads.items() if not Path(place).exists()]
    if not absent:
        return ""
    return (
        f"ingest.adapter {adapter} reads {', '.join(absent)}, and nothing is there: put the data set there, or say "
        f"under ingest.sources.{adapter} where it is"
    )


def _differs(held: dict[str, Any], cells: Cells, most: int = 3) -> str:
    """Which cells are missing, left over, or wired otherwise."""
    kinds: dict[str, list[str]] = {"missing": [], "no longer in the grid": [], "wired otherwise": []}
    for stage in [*cells, *(s for s in held if s not in cells)]:
        old, new = held.get(stage) or {}, cells.get(stage, {})
        kinds["missing"] += [f"{stage}@{key}" for key in new if key not in old]
        kinds["no longer in the grid"] += [f"{stage}@{key}" for key in old if key not in new]
        kinds["wired otherwise"] += [f"{stage}@{key}" for key in new if key in old and old[key] != new[key]]
    named = [
        f"{kind}: {', '.join(keys[:most])}{f' and {len(keys) - most} more' if len(keys) > most else ''}"
        for kind, keys in kinds.items()
        if keys
    ]
    return "; ".join(named) or "its stages are others"

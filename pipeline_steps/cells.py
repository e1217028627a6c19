"""Write ``cells.yaml``, what the grid of params.yaml expands to, once all parameters are found right.

Run it after changing the grid, or what a method names: ``python -m pipeline_steps.cells`` (the flow does it itself).
"""

import argparse
import sys
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from pipeline_steps.configuration.check import CELLS_FILE, absent_data, check, checked_cells
from pipeline_steps.configuration.grid import Cells
from pipeline_steps.configuration.prune import prune
from pipeline_steps.stage.outputs import whole_file
from pipeline_steps.stage.params import PARAMS_FILE, ParamsError, read_yaml


def cells_text(cells: Cells) -> str:
    """The text of ``cells.yaml``."""
    yaml, stream = YAML(), StringIO()
    yaml.default_flow_style = False
    yaml.dump({"cells": cells}, stream)
    return "# Made from grid in params.yaml by: python -m pipeline_steps.cells\n" + stream.getvalue()


def write_cells(params_file: Path = PARAMS_FILE, out: Path = CELLS_FILE) -> Cells:
    """Write the expanded grid; returns it.

    Raises:
        ParamsError: parameters are wrong; nothing is written.
    """
    cells = checked_cells(read_yaml(params_file), params_file)
    with whole_file(out) as temporary:
        temporary.write_text(cells_text(cells), "utf-8")
    return cells


def warn(said: str) -> None:
    """Say what is no mistake yet, but will stop ``dvc repro``."""
    if said:
        print(f"warning: {said}", file=sys.stderr, flush=True)


def main() -> None:
    """Command line; ``--check`` compares without writing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if parameters are wrong, or cells.yaml is old")
    parser.add_argument("--keep", action="store_true", help="leave what belongs to cells that left the grid")
    args = parser.parse_args()
    try:
        if args.check:
            check()
            return
        cells = write_cells()
        warn(absent_data(read_yaml(PARAMS_FILE), cells))
    except ParamsError as error:
        sys.exit(f"error: {error}")
    gone = [] if args.keep else prune(cells)
    counted = ", ".join(f"{len(v)} {k}" for k, v in cells.items() if k != "ingest")
    print(counted + (f"; pruned {len(gone)} old cells" if gone else ""))


if __name__ == "__main__":
    main()

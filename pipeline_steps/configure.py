"""Choose what is run: write ``params.yaml`` and ``cells.yaml`` of a profile, or the latter after editing the former.

``configure paper`` lays ``config/profiles/paper.yaml`` over ``config/base.yaml``, whatever was chosen before;
``default`` is the base alone. All mistakes are named at once, and both files are written or neither. The name stands
at the top of ``params.yaml``. Values that were changed there by hand are not lost: ``--save NAME`` keeps them as a
profile, ``--discard`` lets them go. ``${NAME:-fallback}`` in a profile is taken from the environment now.

``configure --cells`` leaves the values in ``params.yaml`` as they are and expands its grid: after an edit of the grid,
of what a method names, or of where ``ingest`` finds its data (the flow does it itself). Methods that the grid names and
``params.yaml`` lacks come from its profile.
"""

import argparse
import sys
from typing import Any

from pipeline_steps.configuration.cells import Cells
from pipeline_steps.configuration.check import CELLS_FILE, absent_data, cells_text, check, checked_cells
from pipeline_steps.configuration.edits import Edit, completed, hand_edits, held_params, lost_by, save
from pipeline_steps.configuration.overlay import MISSING, changes
from pipeline_steps.configuration.profiles import made, names, profile_in_use, sentence
from pipeline_steps.configuration.prune import clear, prune
from pipeline_steps.stage.command import arguments, errors_in_a_line
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.params import PARAMS_FILE, ParamsError, read_text

_MOST = 15  # changed values that a message shows


def choose(name: str, *, keep_as: str = "", discard: bool = False) -> None:
    """Write ``params.yaml`` and ``cells.yaml`` of profile ``name``, or neither.

    Args:
        name: The profile, or ``default``.
        keep_as: A name for a new profile of what ``params.yaml`` holds now.
        discard: Values that were changed by hand may go.

    Raises:
        ParamsError: there is no such profile, something is wrong with it, or values would be lost.
    """
    new = made(name)
    if PARAMS_FILE.exists() and not discard:
        held = read_text(PARAMS_FILE)
        if keep_as:
            save(keep_as, held)
        elif lost := lost_by(held, new.params):
            raise ParamsError(_refusal(name, profile_in_use(held), lost))
    _write(new.text, new.cells)
    clear(new.cells)
    _warn(absent_data(new.params, new.cells))


def _refusal(name: str, before: str, lost: list[Edit]) -> str:
    more = [f"  … and {len(lost) - _MOST} more"] if len(lost) > _MOST else []
    rows = [f"  {where}: {_short(old)} became {_short(new)}" for where, old, new in lost[:_MOST]]
    head = f"{PARAMS_FILE} was changed since profile {before} was chosen, and {name} would lose that:"
    remedy = "keep it as config/profiles/NAME.yaml by adding --save NAME, or let it go by adding --discard"
    return "\n".join([head, *rows, *more, remedy])


def _short(value: Any, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _write(text: str, cells: Cells) -> None:
    with atomic_file(PARAMS_FILE) as new_params, atomic_file(CELLS_FILE) as new_cells:
        new_params.write_text(text, "utf-8")
        new_cells.write_text(cells_text(cells), "utf-8")


def _warn(warning: str) -> None:
    """Say what is no mistake yet, but will stop ``dvc repro``."""
    if warning:
        print(f"warning: {warning}", file=sys.stderr, flush=True)


def expand_cells() -> Cells:
    """Write ``cells.yaml`` of ``params.yaml``, which is completed where its grid names what it lacks.

    Raises:
        ParamsError: parameters are wrong; nothing is written.
    """
    text, params = completed(read_text(PARAMS_FILE))
    cells = checked_cells(params, PARAMS_FILE)
    _write(text, cells)
    _warn(absent_data(params, cells))
    return cells


def difference_lines(name: str) -> list[str]:
    """What choosing ``name`` would change in ``params.yaml``, a line each; a method that comes or goes is one."""
    return [_row(*change) for change in changes(held_params(read_text(PARAMS_FILE)), made(name).params)]


def _row(where: str, old: Any, new: Any) -> str:
    for sign, one, other in (("-", old, new), ("+", new, old)):
        if isinstance(one, dict) and other is MISSING:
            return f"{sign} {where} ({_count(one)} values)"
    return f"  {where}: {_short(old)} → {_short(new)}"


def _count(node: Any) -> int:
    return sum(map(_count, node.values())) if isinstance(node, dict) else 1


def listed() -> list[str]:
    """The profile in use, and all profiles with a sentence each."""
    held = read_text(PARAMS_FILE)
    edits = len(hand_edits(held))
    changed = f" ({edits} value{'s' * (edits > 1)} changed by hand)" if edits else ""
    width = max(map(len, names()))
    return [f"in use: {profile_in_use(held)}{changed}", *(f"  {n:<{width}}  {sentence(n)}" for n in names())]


def main() -> None:
    """Command line; without anything, which profiles there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("name", nargs="?", help="default, or a file in config/profiles without its ending")
    what.add_argument("--diff", metavar="NAME", help="show what choosing a profile would change")
    what.add_argument("--cells", action="store_true", help="expand the grid of params.yaml as it is")
    what.add_argument("--check", action="store_true", help="fail if parameters are wrong, or cells.yaml is old")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--save", default="", metavar="NAME", help="keep params.yaml as config/profiles/NAME.yaml first")
    kept.add_argument("--discard", action="store_true", help="lose what was changed in params.yaml by hand")
    kept.add_argument("--keep", action="store_true", help="with --cells: leave outputs of cells that left the grid")
    args = arguments(parser)
    if (args.save or args.discard) and not args.name:
        parser.error("--save and --discard go with the profile that is chosen next: configure NAME --save MINE")
    with errors_in_a_line():
        _run(args)


def _run(args: argparse.Namespace) -> None:
    if args.check:
        check()
        print(f"{PARAMS_FILE} and {CELLS_FILE} are right")
    elif args.cells:
        cells = expand_cells()
        gone = [] if args.keep else prune(cells)
        print(", ".join(f"{len(v)} {k}" for k, v in cells.items() if k != "ingest"))
        if gone:
            more = f" and {len(gone) - _MOST} more" if len(gone) > _MOST else ""
            print(f"removed, as the grid has them no longer (DVC's cache keeps them): {', '.join(gone[:_MOST])}{more}")
    elif args.diff:
        print("\n".join(difference_lines(args.diff)) or f"profile {args.diff} changes nothing")
    elif args.name:
        choose(args.name, keep_as=args.save, discard=args.discard)
        kept = f"; what {PARAMS_FILE} held is profile {args.save}" if args.save else ""
        print(f"in use: {args.name}{kept}")
    else:
        print("\n".join(listed()))


if __name__ == "__main__":
    main()

"""Choose a profile: write ``params.yaml`` and ``cells.yaml`` from the default and the profile's overlay.

``python -m pipeline_steps.profile paper`` lays ``profiles/paper.yaml`` over ``config/base.yaml``, whatever was chosen
before; ``default`` is the latter alone. The name stands at the top of ``params.yaml``. Both files are written, or,
where anything is wrong, neither. Values that were changed in ``params.yaml`` by hand are not lost: ``--save NAME``
keeps them as a profile, ``--discard`` lets them go. ``${NAME:-fallback}`` in a profile is taken from the environment
now.
"""

import argparse
import re
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline_steps.cells import cells_text, warn
from pipeline_steps.configuration.check import CELLS_FILE, absent_data, checked_cells
from pipeline_steps.configuration.overlay import ANYTHING, changes, difference, overlaid
from pipeline_steps.configuration.prune import clear
from pipeline_steps.stage.mistakes import did_you_mean
from pipeline_steps.stage.outputs import whole_file
from pipeline_steps.stage.params import PARAMS_FILE, ParamsError, parsed, read_text

BASE = Path("config/base.yaml")
PROFILES = Path("profiles")
DEFAULT = "default"
_MOST = 15  # changed values that a message shows


def params_text(name: str, *, any_environment: bool = False) -> str:
    """``params.yaml`` of profile ``name``; ``any_environment``: with ``ANYTHING`` for each variable.

    Raises:
        ParamsError: there is no such profile, or it is none.
    """
    base = read_text(BASE)
    parsed(base, BASE)  # with its own lines, before anything stands above them
    if name == DEFAULT:
        return f"{_header(name, str(BASE))}{base}"
    file = PROFILES / f"{name}.yaml"
    if not file.is_file():
        names = [DEFAULT, *sorted(f.stem for f in PROFILES.glob("*.yaml"))]
        meant = did_you_mean(name, names) or f"; there is {', '.join(names)}"
        raise ParamsError(f"there is no profile {name!r}{meant}")
    overlay = parsed(read_text(file), file)
    try:
        text = overlaid(base, overlay, lambda _: ANYTHING) if any_environment else overlaid(base, overlay)
    except ParamsError as error:
        raise ParamsError(f"{file}: {error}") from None
    return f"{_header(name, f'{BASE} and {file}')}{text}"


def _header(name: str, files: str) -> str:
    return f"# Profile: {name}. Made from {files} by: python -m pipeline_steps.profile {name}\n"


def profile_in_use(text: str) -> str:
    """The profile that a ``params.yaml`` was made of; the default's where it does not say."""
    found = re.match(r"# Profile: (\S+)\. ", text)
    return found[1] if found else DEFAULT


def hand_edits(text: str) -> list[tuple[str, Any, Any]]:
    """Place, the profile's value and today's value wherever ``text``, a ``params.yaml``, differs from its profile.

    Raises:
        ParamsError: ``text`` is no YAML, or its profile is no longer there.
    """
    name = profile_in_use(text)
    try:
        made = params_text(name, any_environment=True)
    except ParamsError as error:
        raise ParamsError(
            f"what was changed in {PARAMS_FILE} can't be told, for {error}; use --discard to lose it"
        ) from None
    return list(changes(parsed(made, BASE), parsed(text, PARAMS_FILE)))


def apply(name: str, *, save: str = "", discard: bool = False) -> None:
    """Write ``params.yaml`` and ``cells.yaml`` of profile ``name``, or neither.

    Args:
        name: The profile, or ``default``.
        save: A name for a new profile of what ``params.yaml`` holds now.
        discard: Values that were changed by hand may go.

    Raises:
        ParamsError: there is no such profile, something is wrong with it, or values would be lost.
    """
    text = params_text(name)
    params = parsed(text, BASE)
    cells = checked_cells(params, BASE if name == DEFAULT else PROFILES / f"{name}.yaml")
    if PARAMS_FILE.exists() and not discard:
        held = read_text(PARAMS_FILE)
        if save:
            _save(save, held)
        else:
            _refuse_losses(name, held, params)
    with whole_file(PARAMS_FILE) as new_params, whole_file(CELLS_FILE) as new_cells:
        new_params.write_text(text, "utf-8")
        new_cells.write_text(cells_text(cells), "utf-8")
    clear(cells)
    warn(absent_data(params, cells))


def _refuse_losses(name: str, held: str, params: Any) -> None:
    lost = {where for where, _, _ in changes(parsed(held, PARAMS_FILE), params)}
    edits = [f"  {where}: {_short(old)} became {_short(new)}" for where, old, new in hand_edits(held) if where in lost]
    if not edits:
        return
    more = [f"  … and {len(edits) - _MOST} more"] if len(edits) > _MOST else []
    head = f"{PARAMS_FILE} was changed since profile {profile_in_use(held)} was chosen, and {name} would lose that:"
    remedy = "keep it as profiles/NAME.yaml by adding --save NAME, or let it go by adding --discard"
    raise ParamsError("\n".join([head, *edits[:_MOST], *more, remedy]))


def _short(value: Any, most: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _save(name: str, held: str) -> None:
    """Write ``profiles/<name>.yaml``: what ``held``, a ``params.yaml``, says otherwise than the default."""
    file = PROFILES / f"{name}.yaml"
    if name == DEFAULT or not re.fullmatch(r"\w+", name):
        raise ParamsError(f"{name!r} can't be a profile's name: use letters, digits and underscores")
    if file.exists():
        raise ParamsError(f"{file} is there already; save under another name")
    yaml, stream = YAML(), StringIO()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    overlay = difference(parsed(read_text(BASE), BASE), parsed(held, PARAMS_FILE))
    if overlay:
        yaml.dump(overlay, stream)
    with whole_file(file) as temporary:
        temporary.write_text(
            f"# {PARAMS_FILE} of profile {profile_in_use(held)}, with changes.\n{stream.getvalue()}", "utf-8"
        )


def main() -> None:
    """Command line; without a name, which profile is in use."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="default, or a file in profiles without its ending")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--save", default="", metavar="NAME", help="keep what params.yaml holds as profiles/NAME.yaml")
    kept.add_argument("--discard", action="store_true", help="lose what was changed in params.yaml by hand")
    args = parser.parse_args()
    try:
        if args.name is None:
            print(f"in use: {profile_in_use(read_text(PARAMS_FILE))}; there is default,", end=" ")
            print(", ".join(sorted(f.stem for f in PROFILES.glob("*.yaml"))))
        else:
            apply(args.name, save=args.save, discard=args.discard)
    except ParamsError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

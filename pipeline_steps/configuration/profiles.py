"""Profiles: ``config/base.yaml``, an overlay of ``config/profiles`` or none, and the ``params.yaml`` made of them."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_steps.configuration.cells import Cells
from pipeline_steps.configuration.check import checked_cells
from pipeline_steps.configuration.comments import notes, written
from pipeline_steps.configuration.inherit import Expanded, expanded
from pipeline_steps.configuration.overlay import ANYTHING, Variable, from_environment, merged, resolved
from pipeline_steps.configuration.reach import names_reached, only
from pipeline_steps.configuration.sections import section_mistakes
from pipeline_steps.stage.params import ParamsError, parsed, read_text

BASE = Path("config/base.yaml")
PROFILES = Path("config/profiles")
DEFAULT = "default"
COMMAND = "python -m pipeline_steps.configure"


class ProfileFiles(NamedTuple):
    """What a profile comes to: the text of ``params.yaml``, what it holds, and the cells of its grid."""

    text: str
    params: dict[str, Any]
    cells: Cells


def made(name: str) -> ProfileFiles:
    """``params.yaml`` and the cells of profile ``name``.

    Raises:
        ParamsError: there is no such profile, or something is wrong with it: with all mistakes.
    """
    whole = library(name)
    wrong = whole.mistakes + whole.placed(section_mistakes(whole.params))
    cells = checked_cells(whole.params, _overlay_file(name) or BASE, wrong)
    params = only(whole.params, names_reached(whole.params, cells))
    return ProfileFiles(params_text(name, params), params, cells)


def library(name: str, *, any_environment: bool = False) -> Expanded:
    """All parameters of a profile, entries that its grid does not reach among them, and mistakes in inheritance.

    ``any_environment``: with ``ANYTHING`` for each variable.

    Raises:
        ParamsError: there is no such profile, or it can't be laid over the base.
    """
    return expanded(source(name, (lambda _: ANYTHING) if any_environment else from_environment))


def source(name: str, variable: Variable = from_environment) -> dict[str, Any]:
    """The base as it is written, with the profile's overlay."""
    base, file = resolved(parsed(read_text(BASE), BASE), variable), _overlay_file(name)
    if file is None:
        return dict(base)
    overlay = parsed(read_text(file), file)
    if not isinstance(overlay, dict):
        raise ParamsError(f"{file}: a profile holds sections of parameters, and this one holds none")
    try:
        return merged(base, resolved(overlay, variable))
    except ParamsError as error:
        raise ParamsError(f"{file}: {error}") from None


def _overlay_file(name: str) -> Path | None:
    if name == DEFAULT:
        return None
    file = PROFILES / f"{name}.yaml"
    if not file.is_file():
        near = [known for known in names() if len(name) > 2 and name in known] or get_close_matches(name, names(), 2)
        meant = f"did you mean {' or '.join(near[:2])}?" if near else f"there is {', '.join(names())}"
        raise ParamsError(f"there is no profile {name!r}; {meant}")
    return file


def names() -> list[str]:
    """All profiles, the default first."""
    return [DEFAULT, *sorted(f.stem for f in PROFILES.glob("*.yaml"))]


def sentence(name: str) -> str:
    """What a profile is for: the first line of its file."""
    first = read_text(_overlay_file(name) or BASE).partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def params_text(name: str, params: dict[str, Any], held: str = "") -> str:
    """The text of a ``params.yaml``, with the comments of ``held``, of the profile and of the base."""
    file = _overlay_file(name)
    known = notes(held) | {p: n for p, n in notes(read_text(BASE)).items() if p not in notes(held)}
    if file:
        known |= {p: n for p, n in notes(read_text(file)).items() if p not in notes(held)}
    head = (
        f"# Profile: {name}. Made of {BASE}{f' and {file}' if file else ''}:\n# ./run {COMMAND} {name}\n"
        "# It holds what the grid reaches. Numbers may be changed here; after an edit of the grid, or of names that "
        f"methods give:\n# ./run {COMMAND} --cells\n\n"
    )
    return head + written(params, known)


def profile_in_use(text: str) -> str:
    """The profile that a ``params.yaml`` was made of; the default's where it does not say."""
    found = re.match(r"# Profile: (\S+)\. ", text)
    return found[1] if found else DEFAULT

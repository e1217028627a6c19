"""What was changed in ``params.yaml`` by hand: told, kept as a profile, and completed where its grid reaches more."""

import re
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from pipeline_steps.configuration.grid import partly_expanded
from pipeline_steps.configuration.inherit import expanded
from pipeline_steps.configuration.overlay import changes, difference, merged, resolved
from pipeline_steps.configuration.profiles import (
    DEFAULT,
    PROFILES,
    library,
    params_text,
    profile_in_use,
    source,
)
from pipeline_steps.configuration.reach import names_in, names_reached, only
from pipeline_steps.configuration.sections import NAMED, TAGGED
from pipeline_steps.configuration.untrained import with_counterparts
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.params import PARAMS_FILE, ParamsError, parsed

Edit = tuple[str, Any, Any]
_BROKEN = (KeyError, TypeError, AttributeError, ValueError)  # what wrong parameters raise


def held_params(text: str) -> dict[str, Any]:
    """What a ``params.yaml`` says.

    Raises:
        ParamsError: it is no YAML, or no map.
    """
    found = resolved(parsed(text, PARAMS_FILE), lambda match: match[0])
    if not isinstance(found, dict):
        raise ParamsError(f"{PARAMS_FILE} holds no sections")
    return found


def hand_edits(text: str) -> list[Edit]:
    """Place, the profile's value and today's value wherever ``text``, a ``params.yaml``, differs from its profile.

    Raises:
        ParamsError: ``text`` is no YAML, or its profile is no longer there.
    """
    held = held_params(text)
    try:
        whole = library(profile_in_use(text), any_environment=True).params
    except ParamsError as error:
        raise ParamsError(
            f"what was changed in {PARAMS_FILE} can't be told, for {error}; use --discard to lose it"
        ) from None
    return list(changes(only(whole, names_in(held)), held))


def lost_by(text: str, params: dict[str, Any]) -> list[Edit]:
    """Those of the hand edits in ``text`` that ``params`` does not hold."""
    gone = {where for where, _, _ in changes(held_params(text), params)}
    return [edit for edit in hand_edits(text) if any(edit[0] == g or edit[0].startswith(f"{g}.") for g in gone)]


def save(name: str, text: str) -> None:
    """Write ``config/profiles/<name>.yaml``: what ``text``, a ``params.yaml``, says otherwise than the default.

    Raises:
        ParamsError: the name is none, or taken.
    """
    file = PROFILES / f"{name}.yaml"
    if name == DEFAULT or not re.fullmatch(r"\w+", name):
        raise ParamsError(f"{name!r} can't be a profile's name: use letters, digits and underscores")
    if file.exists():
        raise ParamsError(f"{file} is there already; save under another name")
    yaml, stream = YAML(), StringIO()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    if overlay := overlay_of(source(DEFAULT), held_params(text)):
        yaml.dump(overlay, stream)
    with atomic_file(file) as temporary:
        head = f"# {PARAMS_FILE} of profile {profile_in_use(text)}, with changes.\n"
        temporary.write_text(head + stream.getvalue(), "utf-8")


def overlay_of(base: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    """The overlay by which ``base``, as it is written, comes to what ``held`` says.

    An entry that takes from another follows what the overlay makes of that one, so it is asked again until all is said.
    """
    overlay: dict[str, Any] = {}
    for _ in range(len(base) + len(held)):
        whole = only(expanded(merged(base, overlay)).params, names_in(held))
        gone = {block: None for block in whole["grid"] if block not in held["grid"]}
        whole["grid"] = {name: block for name, block in whole["grid"].items() if name not in gone}
        rest = difference(whole, held)
        if gone:
            rest["grid"] = {**rest.get("grid", {}), **gone}
        if not rest:
            break
        overlay = merged(overlay, rest, marked=True)
    return overlay


def completed(text: str) -> tuple[str, dict[str, Any]]:
    """A ``params.yaml`` with the entries that its grid reaches: text and parameters.

    Those that it lacks come from its profile; those that its grid no longer reaches go, unless they were changed.

    Raises:
        ParamsError: it lacks some, and its profile can't be read.
    """
    held = held_params(text)
    try:
        whole = library(profile_in_use(text)).params
        union, _ = with_counterparts(_together(whole, held))
        cells, wrong = partly_expanded(union)
        names = names_reached(union, cells)
    except (ParamsError, *_BROKEN):
        return text, held  # the check of all parameters says what is wrong
    if wrong:
        return text, held
    kept = only(whole, names_in(held))
    for section, mine in names_in(held).items():
        place = held["population"]["words"] if section == "words" else held[section]
        theirs = kept["population"]["words"] if section == "words" else kept[section]
        names[section] |= {name for name in mine if name not in theirs or list(changes(theirs[name], place[name]))}
    params = only(union, names)
    if names_in(params) == names_in(held):
        return text, held
    return params_text(profile_in_use(text), params, text), params


def _together(whole: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    """``held``, with all entries of ``whole`` that it lacks; in the order of the latter."""
    made = dict(held)
    for section in (*NAMED, *TAGGED):
        if section != "grid" and section in held:
            made[section] = {**{k: held[section].get(k, v) for k, v in whole[section].items()}, **held[section]}
    words = {**whole["population"]["words"], **held["population"]["words"]}
    return made | {"population": {**held["population"], "words": words}}

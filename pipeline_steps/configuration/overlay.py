"""Lay a profile's values over the default's, comments kept; and say in a profile what differs from the default.

An overlay holds only what differs: mappings merge, everything else (lists too) replaces, and so does a mapping with
``__replace__``. ``${NAME:-fallback}`` in its text is taken from the environment.
"""

import os
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.nodes import ScalarNode

from pipeline_steps.stage.params import ParamsError

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_REPLACE = "__replace__"
ANYTHING = "\u2026any\u2026"  # stands for a variable's value where that does not matter


def _from_environment(match: re.Match[str]) -> str | None:
    return os.environ.get(match[1], match[2])


def overlaid(default: str, overlay: Any, variable: Callable[[re.Match[str]], str | None] = _from_environment) -> str:
    """The default's text with the overlay's values; ``variable`` gives what stands for ``${NAME:-fallback}``.

    Raises:
        ParamsError: the overlay replaces a mapping by something else, or the other way round.
    """
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.representer.add_representer(type(None), _null)
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(default)
    if not isinstance(overlay, dict):
        raise ParamsError("a profile holds sections of parameters, and this one holds none")
    _merge(document, _resolved(overlay, "", variable), "")
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _null(representer: Any, _none: None) -> ScalarNode:
    node: ScalarNode = representer.represent_scalar("tag:yaml.org,2002:null", "null")
    return node


def _merge(target: Any, overlay: dict[str, Any], place: str) -> None:
    for key, value in overlay.items():
        where = f"{place}.{key}".lstrip(".")
        known = target.get(key)
        if isinstance(value, dict) and _REPLACE in value:
            target[key] = {k: v for k, v in value.items() if k != _REPLACE}
        elif isinstance(value, dict) and isinstance(known, dict):
            _merge(known, value, where)
        elif known is not None and isinstance(value, dict) != isinstance(known, dict):
            raise ParamsError(f"overlay value {where} and the default's are not of one kind")
        else:
            target[key] = _like(known, value)


def _like(known: Any, value: Any) -> Any:
    """Lists are written the way the default writes them: in one line, or a line an entry."""
    if not isinstance(value, list):
        return value
    made = CommentedSeq(value)
    if not isinstance(known, CommentedSeq) or known.fa.flow_style():
        made.fa.set_flow_style()
    return made


def _resolved(value: Any, where: str, variable: Callable[[re.Match[str]], str | None]) -> Any:
    if isinstance(value, dict):
        return {k: _resolved(v, f"{where}.{k}".lstrip("."), variable) for k, v in value.items()}
    if isinstance(value, list):
        return [_resolved(v, where, variable) for v in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        text = variable(match)
        if text is None:
            raise ParamsError(f"{where} needs the environment variable {match[1]}")
        return text

    return _VARIABLE.sub(found, value)


def difference(base: Any, found: Any) -> Any:
    """The overlay that makes ``found`` of ``base``, two parsed parameter files."""
    if any(_is_no_overlay(base, found, key) for key in base.keys() | found.keys()):
        return {_REPLACE: True, **found}
    made = {}
    for key, value in found.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            if inner := difference(old, value):
                made[key] = inner
        elif key not in base or old != value or isinstance(old, bool) != isinstance(value, bool):
            made[key] = value
    return made


def _is_no_overlay(base: Any, found: Any, key: Any) -> bool:
    """Whether what became of a key can't be said by merging: it is gone, or no mapping any more, or one only now."""
    return key not in found or (
        base.get(key) is not None and isinstance(base[key], dict) != isinstance(found[key], dict)
    )


def changes(made: Any, found: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Place, value in ``made`` and value in ``found`` wherever the two differ; ``ANYTHING`` equals all texts."""
    for key in [*made, *(k for k in found if k not in made)]:
        where = f"{place}.{key}".lstrip(".")
        old, new = made.get(key, MISSING), found.get(key, MISSING)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from changes(old, new, where)
        elif not _alike(old, new):
            yield where, old, new


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def _alike(old: Any, new: Any) -> bool:
    if isinstance(old, str) and isinstance(new, str) and ANYTHING in old:
        return bool(re.fullmatch(".*".join(map(re.escape, old.split(ANYTHING))), new))
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_alike, old, new))
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)

"""What is wrong with parameters, in words: a line a mistake, with its place, the fact, and what may have been meant."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_MOST = 20  # lines of a message: what a screen holds


def mistakes(model: type[BaseModel], node: Any, place: str) -> list[str]:
    """A line for each mistake in ``node``, which lies at ``place`` and should fit ``model``."""
    try:
        model.model_validate(node)
    except ValidationError as error:
        return in_words(error, model, node, place)
    return []


def in_words(error: ValidationError, model: type[BaseModel], node: Any, place: str) -> list[str]:
    """The lines of a failed validation of ``node`` at ``place``."""
    found: list[dict[str, Any]] = [{**e, "at": _known_part(e, node)} for e in error.errors(include_url=False)]
    lacking: dict[tuple[Any, ...], list[str]] = {}
    for e in found:
        if e["type"] == "missing":
            lacking.setdefault(e["at"][:-1], []).append(str(e["at"][-1]))
    lines: dict[str, None] = {}
    for e in found:
        at = e["at"]
        if e["type"] == "missing":
            continue
        if e["type"] == "extra_forbidden":
            fields = _fields(model, at[:-1])
            meant = did_you_mean(at[-1], fields)
            lines[f"{_dotted(place, at)} is no parameter{meant or _there_is(fields)}"] = None
        else:
            lines[f"{_dotted(place, at)}{_fact(e)}"] = None
    for at, names in lacking.items():
        lines[f"{_dotted(place, at) or 'it'} lacks {', '.join(names)}"] = None
    return list(lines)


def did_you_mean(name: object, known: Iterable[object], most: int = 2) -> str:
    """``; did you mean …?`` if something in ``known`` is like ``name``, else nothing."""
    words = {_letters(k): str(k) for k in known}
    text = _letters(name)
    within = [w for w in words if min(len(w), len(text)) > 2 and (text in w or w in text)]
    near = sorted(within, key=lambda w: abs(len(w) - len(text))) or difflib.get_close_matches(text, words, most, 0.6)
    near = (near or difflib.get_close_matches(text, words, 1, 0.5))[:most]
    return f"; did you mean {' or '.join(words[w] for w in near)}?" if near else ""


def _letters(name: object) -> str:
    return re.sub(r"[\W_]", "", str(name).lower())


def none_of(place: str, name: object, known: Sequence[object]) -> str:
    """A line for a value that is none of a vocabulary."""
    shown = f"{', '.join(map(str, known[:12]))}{' …' if len(known) > 12 else ''}"
    return f"{place} is {name!r}, none of {shown}{did_you_mean(name, known)}"


def listed(lines: Sequence[str], file: object) -> str:
    """One message for all mistakes in ``file``: a line for one, else a count and a line each, a screen at most."""
    if len(lines) == 1:
        return f"{file}: {lines[0]}"
    more = [f"  … and {len(lines) - _MOST + 1} more"] if len(lines) > _MOST else []
    shown = lines if not more else lines[: _MOST - 1]
    head = f"{file}: {len(lines)} mistakes"
    return "\n".join([head, *more, *(f"  {line}" for line in shown)])


def _known_part(e: Any, node: Any) -> tuple[Any, ...]:
    """The place of an error in the data: without the names that pydantic gives to the branches of a union."""
    kept: list[Any] = []
    for i, part in enumerate(e["loc"]):
        last = i == len(e["loc"]) - 1
        listed_part = isinstance(node, (list, tuple)) and isinstance(part, int) and part < len(node)
        if listed_part or (isinstance(node, dict) and part in node):
            node = node[part]
        elif not (last and e["type"] == "missing"):
            continue
        kept.append(part)
    return tuple(kept)


def _fact(e: Any) -> str:
    value, words = e["input"], re.findall(r"'([^']*)'", str(e.get("ctx", {}).get("expected", "")))
    if e["type"] == "literal_error":
        known = words or [e["ctx"]["expected"]]
        return f" is {value!r}, none of {', '.join(known)}{did_you_mean(value, words)}"
    said = re.sub(r"^(Value error, |Assertion failed, )", "", e["msg"])
    if e["type"] == "model_type":
        said = "it should be a section with parameters"
    said = re.sub(r"^Input should", "it should", said)
    said = re.sub(r"String should match pattern .*", "it is not spelled as it should be", said)
    shown = repr(value)
    if isinstance(value, dict) or len(shown) > 80:
        return f": {said}"
    return f" is {shown}: {said}"


def _fields(model: Any, at: Sequence[Any]) -> list[str]:
    """The names of the parameters of the section at ``at`` within ``model``; none where that can't be told."""
    for part in at:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = _section_of(model.model_fields[part].annotation)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _section_of(annotation: Any) -> Any:
    """The model in an annotation such as ``tuple[Pass, ...]`` or ``Prior | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for a in get_args(annotation) if (found := _section_of(a)) is not None), None)


def _there_is(fields: Sequence[str]) -> str:
    return f"; there is {', '.join(fields)}" if fields else ""


def _dotted(place: str, at: Sequence[Any]) -> str:
    return ".".join([*([place] if place else []), *map(str, at)])

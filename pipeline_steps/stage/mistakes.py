"""What is wrong with parameters, in words: a line a mistake, with its place, the fact, and what may have been meant."""

import datetime as dt
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_MOST = 20  # lines of a message: what a screen holds
# What pydantic's kinds of errors mean to a person; ``{}`` from the error's context.
_SAID = {
    "tuple_type": "it should be a list, such as [1, 2]",
    "list_type": "it should be a list, such as [1, 2]",
    "dict_type": "it should be a section of names with values",
    "model_type": "it should be a section with parameters",
    "model_attributes_type": "it should be a section with parameters",
    "too_short": "it needs at least {min_length} {values}, and has {actual_length}",
    "too_long": "it takes at most {max_length} {values}, and has {actual_length}",
    "string_too_short": "it should not be empty",
    "string_pattern_mismatch": "it is not spelled as it should be",
    "finite_number": "it should be a finite number",
    "greater_than": "it should be greater than {gt}",
    "greater_than_equal": "it should be greater than or equal to {ge}",
    "less_than": "it should be less than {lt}",
    "less_than_equal": "it should be less than or equal to {le}",
    "path_type": "it should be a path",
    "int_parsing_size": "it has too many digits",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "it should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "it should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "it should be true or false"),
}


def mistakes(model: type[BaseModel], node: Any, place: str) -> list[str]:
    """A line for each mistake in ``node``, which lies at ``place`` and should fit ``model``."""
    try:
        model.model_validate(node)
    except ValidationError as error:
        return in_words(error, model, node, place)
    return []


def in_words(error: ValidationError, model: type[BaseModel], node: Any, place: str) -> list[str]:
    """The lines of a failed validation of ``node`` at ``place``."""
    told = [e for e in error.errors(include_url=False) if not _follows(e)]
    found: list[dict[str, Any]] = [{**e, "at": _known_part(e, node)} for e in told]
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


def _follows(e: Any) -> bool:
    """Whether a list is called too short for its wrong values, which are named themselves."""
    return e["type"] == "too_short" and len(e["input"]) >= e["ctx"]["min_length"]


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
    return f"{place} is {spelled(name)}, none of {shown}{did_you_mean(name, known)}"


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
        return f" is {spelled(value)}, none of {', '.join(known)}{did_you_mean(value, words)}"
    shown = spelled(value)
    if isinstance(value, dict) or len(shown) > 80:
        return f": {_said(e)}"
    return f" is {shown}: {_said(e)}"


def _said(e: Any) -> str:
    """What is wrong with a value, in our words."""
    context = e.get("ctx", {})
    if e["type"] in {"string_type", "path_type"} and isinstance(e["input"], (bool, int, float, dt.date)):
        kind = {bool: "true or false", int: "a number", float: "a number"}.get(type(e["input"]), "a date")
        return f"it should be text, and YAML reads this as {kind}: put it in quotes, '{spelled(e['input'])}'"
    if e["type"] == "string_type":
        return "it should be text" if e["input"] is not None else "it should be text; '' is an empty one"
    if e["type"] in _SAID:
        least = context.get("min_length", context.get("max_length"))
        return _SAID[e["type"]].format(**context, values="value" if least == 1 else "values")
    said = re.sub(r"^(Value error, |Assertion failed, )", "", e["msg"])
    return re.sub(r"^Input should", "it should", said)


def spelled(value: Any) -> str:
    """A value as YAML spells it, where Python's way would be another."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {spelled(inner)}' for key, inner in value.items())}}}"
    return str(value) if isinstance(value, dt.date) else repr(value)


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

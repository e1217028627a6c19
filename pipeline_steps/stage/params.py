"""Read a section of ``params.yaml`` into a stage's frozen model. Numbers come from here alone."""

import copy
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from pipeline_steps.stage.mistakes import did_you_mean, in_words, listed, none_of
from pipeline_steps.stage.yaml_mistakes import parse_yaml

PARAMS_FILE = Path("params.yaml")
SHIPPED_FILE = Path("config/shipped.yaml")  # how the models that ship with the project were trained


class ParamsError(ValueError):
    """A parameter file that a person must change: fact, place and remedy."""


class Params(BaseModel):
    """Base of every stage's parameters: immutable, complete, nothing extra. ``read_from``: their file."""

    read_from: ClassVar[Path] = PARAMS_FILE
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


P = TypeVar("P", bound=Params)


_READ: dict[tuple[Path, str], Any] = {}  # what this process has read, by file and section ("": all of it)


def read_yaml(path: Path) -> Any:
    """Parse safe YAML 1.2 (so ``1e-4`` is a number, as DVC reads it).

    Raises:
        ParamsError: the file is missing, is not YAML or holds tags that would build objects.
    """
    _READ[path, ""] = _loaded(path)
    return _loaded(path)


def _loaded(path: Path) -> Any:
    return copy.deepcopy(parsed(read_text(path), path))


def read_text(path: Path) -> str:
    """The text of a file of parameters.

    Raises:
        ParamsError: it is not there, or no UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise ParamsError(f"{path} does not exist: run from the repository's root") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ParamsError(
            f"{path}, line {line}: byte {error.object[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        ) from None


@lru_cache(maxsize=4)  # a stage asks for several sections of one file
def parsed(text: str, path: Path) -> Any:
    """What the ``text`` of ``path`` says; of all who ask, so that it must not be changed.

    Raises:
        ParamsError: it is no plain YAML; with line and column.
    """
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise ParamsError(f"{path}, {error}") from None


def read_params(model: type[P], section: str, path: Path | None = None) -> P:
    """Validate the dotted ``section`` of ``path`` (else of the model's own file) against ``model``.

    Raises:
        ParamsError: the section is missing, or a value in it is wrong; every wrong value is named.
    """
    path = path or model.read_from
    node = _section(path, section)
    _READ[path, section] = node
    try:
        return model.model_validate(node)
    except ValidationError as error:
        raise ParamsError(listed(in_words(error, model, node, section), path)) from None


def changed_since_read() -> list[str]:
    """Sections (or files) that this process read and that are not what they were, as ``params.yaml: classifier``."""
    changed = []
    for (path, section), value in _READ.items():
        try:
            same = _section(path, section) == value
        except ParamsError:
            same = False
        changed += [] if same else [f"{path}: {section}" if section else str(path)]
    return sorted(changed)


def _section(path: Path, section: str) -> Any:
    node = _loaded(path)
    for key in filter(None, section.split(".")):
        if not isinstance(node, dict) or key not in node:
            known = list(node) if isinstance(node, dict) else []
            meant = did_you_mean(key, known) or f"; there is {', '.join(map(str, known)) or 'nothing'}"
            raise ParamsError(f"{path}: no section {section!r}: {key!r} is missing{meant}")
        node = node[key]
    return node


def read_tagged(models: Mapping[str, type[P]], section: str, tag: str, path: Path = PARAMS_FILE) -> P:
    """Validate ``section`` against the model that its own entry ``tag`` names.

    Raises:
        ParamsError: the entry names none of ``models``, or a value is wrong.
    """
    known = create_model("Tagged", __base__=_Open, **{tag: (str, ...)})  # type: ignore[call-overload]
    kind = getattr(read_params(known, section, path), tag)
    if kind not in models:
        raise ParamsError(f"{path}: {none_of(f'{section}.{tag}', kind, list(models))}")
    return read_params(models[kind], section, path)


class _Open(Params):
    model_config = ConfigDict(frozen=True, extra="ignore")

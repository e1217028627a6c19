"""What may leave the data folder: ids of our own instead of the data set's, and names instead of places."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_steps.stage.errors import DataError

_DOMAIN = "equiderm public id 1"
_HEX = 16  # digits: two of a million images share an id once in 37 million data sets
# How a path begins that leads out of the project: POSIX, of a home folder, of Windows, upwards, or a file's URL.
_ROOT = r"(?:file:/*|\.\.[\\/]|~?/|~\w+/|[A-Za-z]:[\\/]|\\\\)"
_QUOTED = re.compile(rf"(['\"])({_ROOT}[^'\"\n]+)\1")  # may hold blanks
_BARE = re.compile(rf"(?<![\w./:…~\\]){_ROOT}[^\s'\"<>|,;#()\[\]{{}}]+")


def public_id(image_id: str, sha256: str) -> str:
    """The name under which an image is spoken of outside of the data folder.

    ``sha256``: of its pixels as ingested. Whoever has only a list of ids or file names can't compute it; whoever holds
    the photograph and its id can (``docs/privacy.md``).
    """
    return "x" + hashlib.sha256(f"{_DOMAIN}\0{image_id}\0{sha256}".encode()).hexdigest()[:_HEX]


def public_ids(rows: pd.DataFrame) -> list[str]:
    """Public ids in the order of ``rows``, which have ``image_id`` and ``sha256``.

    Raises:
        DataError: two different images would share one.
    """
    made = [public_id(i, digest) for i, digest in zip(rows["image_id"], rows["sha256"], strict=True)]
    if len(set(made)) != rows["image_id"].nunique():
        raise DataError("two images share a public id: rename one of them in the data set's table and run ingest again")
    return made


def without_places(text: str) -> str:
    """``text`` with every path that leads out of the project shortened to its last part, as ``…/name``."""
    text = _QUOTED.sub(lambda found: f"{found[1]}{_shortened(found[2])}{found[1]}", text)
    return _BARE.sub(lambda found: _shortened(found[0]), text)


def shown_value(value: Any) -> Any:
    """A parameter (scalar, list or mapping) with all places in it shortened."""
    if isinstance(value, Mapping):
        return {key: shown_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [shown_value(each) for each in value]
    if isinstance(value, Path):
        return shown_value(str(value))
    if not isinstance(value, str):
        return value
    return _shortened(value) if is_outside(value) else without_places(value)


def is_outside(location: str) -> bool:
    """Whether a path leads out of the project."""
    return bool(re.match(_ROOT, location))


def shown_name(location: str) -> str:
    """A hub id or a path within the project; of any other folder its name alone."""
    return _shortened(location).removeprefix("…/") if is_outside(location) else location


def _shortened(place: str) -> str:
    parts = [part for part in re.split(r"[\\/]", place) if part]
    return f"…/{parts[-1]}" if parts else "…"

"""Parameters as text that a person reads: a line each, with the comments of the files that they come from.

A comment that stands in ``_each`` comes once, beside the first entry that has its parameter.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import ScalarNode

from pipeline_steps.configuration.inherit import EACH

_WIDTH = 120
_KEY = re.compile(r"""^( *)(?:'([^']*)'|"([^"]*)"|([^\s#'"{\[\-][^:#]*)):(?= |$)""")
_GROUPED = ("captioners", "adapters", "augmenters")  # sections whose ``_each`` has groups
Path = tuple[str, ...]


@dataclass(frozen=True)
class Note:
    """Comments on one parameter: the lines ``above`` it, and what stands ``beside`` it."""

    above: tuple[str, ...]
    beside: str


def _placed(text: str) -> Iterator[tuple[str, Path]]:
    """Each line with the path of the parameter that it begins; () for others."""
    open_at: list[tuple[int, str]] = []
    for line in text.split("\n"):
        found = _KEY.match(line)
        if not found:
            yield line, ()
            continue
        depth = len(found[1])
        open_at = [(d, key) for d, key in open_at if d < depth]
        open_at.append((depth, next(k for k in found.groups()[1:] if k is not None)))
        yield line, tuple(key for _, key in open_at)


def notes(text: str) -> dict[Path, Note]:
    """The comments of a file by path, those at its top apart; ``*`` stands for all entries of a section."""
    found: dict[Path, Note] = {}
    above: list[str] | None = None
    for line, path in _placed(text):
        if not path:
            if above is not None:
                above = [*above, line.strip()] if line.lstrip().startswith("#") else []
            continue
        note = Note(tuple(above or ()), _beside(line))
        above = []
        if note.above or note.beside:
            found.setdefault(_shared(path), note)
    return found


def _shared(path: Path) -> Path:
    if len(path) < 3 or path[1] != EACH:
        return path
    return (path[0], "*", *path[3 if path[0] in _GROUPED else 2 :])


def _beside(line: str) -> str:
    """The comment at the end of a line; a hash within quotes begins none."""
    quote = ""
    for i, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and line[i - 1] == " ":
            return line[i:]
    return ""


def written(params: Mapping[str, Any], known: Mapping[Path, Note]) -> str:
    """``params`` as YAML, with the comments in ``known``."""
    lines: list[str] = []
    shared_noted: set[Path] = set()
    for line, path in _placed(_dumped(params)):
        if len(path) == 1 and lines:
            lines.append("")
        note = known.get(path)
        every = (path[0], "*", *path[2:]) if len(path) > 2 else ()
        if note is None and every in known and every not in shared_noted:
            note = known[every]
            shared_noted.add(every)
        lines += _noted(line, note) if note else [line]
    return "\n".join(lines)


def _noted(line: str, note: Note) -> list[str]:
    indent = line[: len(line) - len(line.lstrip())]
    above = [indent + comment for comment in note.above]
    if not note.beside:
        return [*above, line]
    beside = f"{line} {note.beside}"
    return [*above, beside] if len(beside) <= _WIDTH else [*above, f"{indent}{note.beside}", line]


def _dumped(params: Mapping[str, Any]) -> str:
    yaml, stream = YAML(), StringIO()
    yaml.width = 4096
    yaml.representer.add_representer(type(None), _null)
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(_styled(params), stream)
    return stream.getvalue()


def _null(representer: Any, _none: None) -> ScalarNode:
    node: ScalarNode = representer.represent_scalar("tag:yaml.org,2002:null", "null")
    return node


def _styled(value: Any) -> Any:
    """Maps a line a parameter, lists of words and numbers in one line where that is short."""
    if isinstance(value, Mapping):
        return CommentedMap({key: _styled(inner) for key, inner in value.items()})
    if not isinstance(value, (list, tuple)):
        return value
    made = CommentedSeq([_styled(inner) for inner in value])
    flat = not any(isinstance(inner, (Mapping, list, tuple)) or len(str(inner)) > 40 for inner in value)
    if flat and sum(len(str(inner)) + 2 for inner in value) < _WIDTH - 30:
        made.fa.set_flow_style()
    return made

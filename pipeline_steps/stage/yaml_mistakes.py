"""Why a text is no YAML: line, column, what is there, and what to write instead, in one line."""

import re
from typing import Any

from ruamel.yaml import YAML

_LONG = 60  # letters of a line that are shown
# What the parser says of problems (or, second, of what it was doing), and what a person should know. ``{}`` is the
# first group of the pattern.
_WORDS = (
    (r'found duplicate key "(.*?)" with', "the key {} stands twice in one section; delete one of them"),
    (r"while scanning a quoted scalar", "a quote that is opened here is not closed; close it"),
    (r"unknown escape", "a backslash in double quotes; use single quotes"),
    (r"while parsing a (flow .*)", "a bracket or brace is not closed, or a comma is missing; mend it"),
    (r"(mapping values are not allowed)", "a colon that can begin no value; check the indentation, or quote the text"),
    (r"(did not find expected key|expected '-' indicator)", "indented unlike the lines above; line it up with them"),
    (r"could not find expected ':'", "a key without a colon; write 'key: value'"),
    (r"found undefined alias", "YAML reads a word after * as a reference, and there is none; put it in quotes"),
    (r"duplicate anchor", "YAML reads a word after & as a name, and it stands twice; put it in quotes"),
    (r"constructor for the tag '(.*)'", "the tag {} would build an object, and none is allowed; write text or numbers"),
    (r"another document", "a second document begins here; delete the line '---' and what is not needed"),
    (r"unhashable key", "a section in braces can't be a key; quote it if it is text"),
    (r"for merging", "<< would merge sections, and none is named; write the parameters out"),
)


def parse_yaml(text: str) -> Any:
    """What safe YAML 1.2 says (so ``1e-4`` is a number, as DVC reads it).

    Raises:
        ValueError: it is none; with line, column, fact and remedy.
    """
    try:
        return YAML(typ="safe").load(text)
    except Exception as error:  # noqa: BLE001 (the parser's own, and ValueError of a date such as 2020-13-45)
        raise ValueError(_mistake(error, text)) from None


def _mistake(error: Any, text: str) -> str:
    lines = text.splitlines()
    mark, problem = getattr(error, "problem_mark", None), str(getattr(error, "problem", None) or "")
    if mark is None:
        return _unplaced(error, text)
    said = f"{problem} {getattr(error, 'context', None) or ''}"
    begun = getattr(error, "context_mark", None)
    if begun is not None and re.search("quoted scalar|flow (sequence|mapping)", said) and "escape" not in said:
        mark = begun  # where it was opened: the end that is missing may be missing anywhere below
    number, column = (mark.line, mark.column) if mark.line < len(lines) else (len(lines) - 1, len(lines[-1]))
    shown = lines[number].strip()
    words = next((w.format(*f.groups()) for p, w in _WORDS if (f := re.search(p, said))), "")
    words = words.replace("tag:yaml.org,2002:", "!!")
    if "cannot start any token" in problem:
        letter = lines[number][column : column + 1]
        words = "a tab; indent with blanks" if letter == "\t" else f"no text can begin with {letter}; put it in quotes"
    return f"line {number + 1}, column {column + 1}: {words or problem}{_cited(shown)}"


def _cited(line: str) -> str:
    return f" (the line: {line[:_LONG]}{'…' if len(line) > _LONG else ''})" if line else ""


def _unplaced(error: Any, text: str) -> str:
    """A control character, or a date that is none: the parser says no line."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]", line):
            place = f"line {number}, column {found.start() + 1}"
            return f"{place}: a control character ({ord(found[0]):#04x}); delete it"
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(r"(?:^|[\s\[,{])(\d{4}-\d\d?-\d\d?)", line):
            try:
                YAML(typ="safe").load(found[1])
            except ValueError as wrong:
                place = f"line {number}, column {found.start(1) + 1}"
                return f"{place}: YAML reads {found[1]} as a date, and it is none ({wrong}); put it in quotes"
    return str(error).split("\n", maxsplit=1)[0]

"""The parameters as the report prints them: without the places of a person's files."""

from collections.abc import MutableMapping, MutableSequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from pipeline_steps.records.privacy import shown_value, without_places

_OWN_FILES = {"csv", "images", "masks", "folder", "skincon"}  # of ``ingest``: nobody else can use them
_HIDDEN = "…"


def shown_params(text: str) -> str:
    """``params.yaml`` with comments, where the data set lies left out and every other place outside shortened."""
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    _shorten(document, within_ingest=False)
    stream = StringIO()
    yaml.dump(document, stream)
    return "\n".join(_comment_shortened(line) for line in stream.getvalue().split("\n"))


def _shorten(node: Any, *, within_ingest: bool) -> None:
    """Change the strings of a mapping or a list in place."""
    items: Any = ()
    if isinstance(node, MutableMapping):
        items = list(node.items())
    elif isinstance(node, MutableSequence):
        items = list(enumerate(node))
    for key, value in items:
        if not isinstance(value, str):
            _shorten(value, within_ingest=within_ingest or key == "ingest")
            continue
        own = within_ingest and (key in _OWN_FILES or "/" in value or "\\" in value)
        if own and not value.startswith("pipeline_steps/"):
            node[key] = _HIDDEN
        elif (shown := shown_value(value)) != value:
            node[key] = shown


def _comment_shortened(line: str) -> str:
    """A line of YAML with the places in its comment shortened."""
    before, mark, comment = line.partition(" #") if not line.startswith("#") else ("", "#", line[1:])
    return before + mark + without_places(comment)

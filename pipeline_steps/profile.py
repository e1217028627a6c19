"""Switch profiles: write the committed default with an overlay into ``params.yaml``, comments kept.

``python -m pipeline_steps.profile paper`` applies ``profiles/paper.yaml``; ``default`` restores. An overlay holds
only what differs: mappings merge, everything else (lists too) replaces. ``${NAME:-fallback}`` in an overlay's text is
taken from the environment now, not later. The committed default is ``params.yaml`` at HEAD.
"""

import argparse
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.nodes import ScalarNode

from pipeline_steps.cells import prune, write_cells
from pipeline_steps.stage.outputs import whole_file
from pipeline_steps.stage.params import PARAMS_FILE, ParamsError, read_yaml

PROFILES = Path("profiles")
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def overlaid(default: str, overlay: dict[str, Any]) -> str:
    """The default's text with the overlay's values.

    Raises:
        ParamsError: the overlay replaces a mapping by something else, or the other way round.
    """
    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.representer.add_representer(type(None), _null)
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(default)
    _merge(document, overlay, "")
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
        if isinstance(value, dict) and "__replace__" in value:
            target[key] = _resolved({k: v for k, v in value.items() if k != "__replace__"}, where)
        elif isinstance(value, dict) and isinstance(known, dict):
            _merge(known, value, where)
        elif known is not None and isinstance(value, dict) != isinstance(known, dict):
            raise ParamsError(f"overlay value {where} and the default's are not of one kind")
        else:
            target[key] = _like(known, _resolved(value, where))


def _like(known: Any, value: Any) -> Any:
    """Lists are written the way the default writes them: in one line, or a line an entry."""
    if not isinstance(value, list):
        return value
    made = CommentedSeq(value)
    if not isinstance(known, CommentedSeq) or known.fa.flow_style():
        made.fa.set_flow_style()
    return made


def _resolved(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return {k: _resolved(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, list):
        return [_resolved(v, where) for v in value]
    if not isinstance(value, str):
        return value

    def from_environment(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise ParamsError(f"{where} needs the environment variable {match[1]}")
        return found

    return _VARIABLE.sub(from_environment, value)


def committed_default() -> str:
    """``params.yaml`` as committed.

    Raises:
        ParamsError: this is no git checkout.
    """
    shown = subprocess.run(["git", "show", "HEAD:./params.yaml"], capture_output=True, text=True, check=False)  # noqa: S607
    if shown.returncode:
        raise ParamsError(f"the committed params.yaml can't be read ({shown.stderr.strip()}): {_remedy()}")
    return shown.stdout


def _remedy() -> str:
    if not PARAMS_FILE.exists():
        return "run from the repository's root"
    return "clone the repository, or make one of this folder ('git init && git add -A && git commit -m start')"


def apply(name: str) -> None:
    """Write ``params.yaml`` and ``cells.yaml`` for profile ``name``.

    Raises:
        ParamsError: there is no such profile, or it does not fit the default.
    """
    default = committed_default()
    if name != "default":
        file = PROFILES / f"{name}.yaml"
        if not file.is_file():
            names = ", ".join(["default", *sorted(f.stem for f in PROFILES.glob("*.yaml"))])
            raise ParamsError(f"no profile {name!r}; there is {names}")
        default = overlaid(default, read_yaml(file))
    with whole_file(PARAMS_FILE) as temporary:
        temporary.write_text(default, "utf-8")
    prune(write_cells())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    try:
        apply(parser.parse_args().name)
    except ParamsError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()

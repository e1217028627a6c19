"""Parameters that are parsed once: DVC parses a whole parameter file for each stage that reads a value of it.

And it finds a value by comparing its name with every parameter's. In a grid of hundreds of stages that is half of what
``dvc repro`` takes to see that nothing has changed.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.dependency import param
from dvc.utils.serialize import parse_yaml

_YAML = (".yaml", ".yml")


@contextmanager
def params_parsed_once() -> Iterator[None]:
    """Have DVC, within the block, parse each content of a parameter file once, and look values up by name."""
    load, find = param.load_path, param.dpath.get
    parsed: dict[str, bytes] = {}

    def load_path(path: str, fs: Any, **options: Any) -> Any:
        if options or Path(path).suffix.lower() not in _YAML:
            return load(path, fs, **options)
        with fs.open(path, encoding="utf-8") as stream:
            text = stream.read()
        if text not in parsed:
            parsed[text] = pickle.dumps(parse_yaml(text, path))
        return pickle.loads(parsed[text])  # noqa: S301 (what was parsed here; anew each time, for who gets it may change it)

    def get(values: Any, name: str, separator: str) -> Any:
        here = values
        for key in name.split(separator):
            if not isinstance(here, dict) or key not in here:
                return find(values, name, separator)
            here = here[key]
        return here

    param.load_path, param.dpath.get = load_path, get
    try:
        yield
    finally:
        param.load_path, param.dpath.get = load, find

"""Keep ``dvc.lock`` in the order of ``dvc repro``, whatever finished first, so that git shows real changes only."""

import os
from pathlib import Path

from dvc.utils.serialize import dumps_yaml, load_yaml


def sort_lock(order: list[str], path: Path = Path("dvc.lock")) -> None:
    """Sort the stages of ``path`` by ``order``; others stay behind those. Written whole, and only if it changes."""
    if not path.exists():
        return
    lock = load_yaml(str(path))
    place = {name: i for i, name in enumerate(order)}
    names = sorted(lock["stages"], key=lambda name: place.get(name, len(place)))
    if names == list(lock["stages"]):
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    temporary.write_text(dumps_yaml({**lock, "stages": {name: lock["stages"][name] for name in names}}))
    temporary.replace(path)

"""Edit ``dvc.lock`` as text: replace one stage's block, or sort all, without parsing and writing the others again.

DVC itself does that with all stages whenever one has run, so that a run's bookkeeping grows with the square of its
cells. The bytes are those that DVC would write.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dvc.dvcfile import Lockfile
from dvc.stage import serialize
from dvc.utils.serialize import dumps_yaml

HEAD = "schema: '2.0'\nstages:\n"


def sort_lock(order: list[str], path: Path = Path("dvc.lock")) -> None:
    """Sort the stages of ``path`` by ``order``, whatever finished first, so that git shows real changes only.

    Others (of cells that left the grid, which may come back) stay where they are. Written whole, and only if it
    changes; a file that DVC did not write so stays as it is.
    """
    if not path.exists() or (blocks := blocks_of(path.read_text("utf-8"))) is None:
        return
    place = {_first_line(name): i for i, name in enumerate(order)}
    in_order = iter(sorted((line for line in blocks if line in place), key=place.__getitem__))
    first_lines = [next(in_order) if line in place else line for line in blocks]
    if first_lines != list(blocks):
        _write(path, {line: blocks[line] for line in first_lines})


def write_stages_in_place() -> None:
    """From now on in this process, DVC writes a stage that has run into ``dvc.lock`` by replacing its block."""
    whole = Lockfile.dump_stages

    def dump_stages(lock: Lockfile, stages: Sequence[Any], **options: Any) -> None:
        path = Path(lock.path)
        blocks = blocks_of(path.read_text("utf-8")) if path.exists() else None
        if blocks is None:
            whole(lock, stages, **options)
            return
        new = {}
        for stage in stages:
            block = dumps_yaml({"stages": serialize.to_lockfile(stage, **options)}).removeprefix("stages:\n")
            new[block.split("\n", maxsplit=1)[0]] = block
        if {**blocks, **new} != blocks:
            _write(path, {**blocks, **new})
            lock.repo.scm_context.track_file(lock.relpath)

    Lockfile.dump_stages = dump_stages


def blocks_of(text: str) -> dict[str, str] | None:
    """The text of each stage by its first line; None where a lock does not look as DVC writes it."""
    if not text.startswith(HEAD):
        return None
    blocks = re.split(r"(?m)^(?=  \S)", text.removeprefix(HEAD))[1:]
    found = {block.split("\n", maxsplit=1)[0]: block for block in blocks}
    whole = len(found) == len(blocks) and HEAD + "".join(blocks) == text and text.endswith("\n")
    return found if whole and all(_is_stage(line, block) for line, block in found.items()) else None


def _is_stage(line: str, block: str) -> bool:
    return line.endswith(":") and all(inner.startswith("    ") for inner in block.split("\n")[1:-1])


def _first_line(name: str) -> str:
    return "  " + dumps_yaml({name: {"": ""}}).split("\n", maxsplit=1)[0]


def _write(path: Path, blocks: dict[str, str]) -> None:
    """Write the whole lock or nothing: a kill leaves the old one."""
    temporary = path.parent / ".dvc/tmp" / f"{path.name}.{os.getpid()}.part"
    temporary.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(HEAD + "".join(blocks.values()), "utf-8")
    temporary.replace(path)

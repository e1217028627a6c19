"""A cache of the parsed ``dvc.lock``: each stage's block is kept, parsed, beside DVC's own temporary files.

Parsing the lock is most of what a plan of hundreds of stages costs, and each stage's run parses it again. As Python
does with its modules, the parsed form is kept, by digest of the text that it came from; only new blocks are parsed.
"""

import hashlib
import marshal
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.dvcfile import LOCK_FILE
from dvc.utils import strictyaml
from dvc.utils.serialize import YAMLFileCorruptedError

from flows.lockfile import HEAD, blocks_of

_DIGEST = 32  # bytes of SHA-256
_SHARED = re.compile(r"(?:^|[\s\[,])[&*]\w")  # an anchor or alias: such a block says what another one holds
Kept = dict[bytes, Any]


@contextmanager
def lock_parsed_once() -> Iterator[None]:
    """Have DVC, within the block, read a lock's stages from the cache."""
    whole = strictyaml.parse_yaml

    def parse(text: str, path: str, typ: str = "safe") -> Any:
        name = Path(path)
        if typ == "safe" and name.name == LOCK_FILE and name.is_file():
            return parse_lock(text, name.parent / ".dvc/tmp", lambda part: whole(part, path))
        return whole(text, path, typ)

    strictyaml.parse_yaml = parse
    try:
        yield
    finally:
        strictyaml.parse_yaml = whole


def parse_lock(text: str, folder: Path, parse: Callable[[str], Any]) -> Any:
    """Return ``parse(text)``, parsing only the blocks that the cache in ``folder`` does not hold yet."""
    blocks = blocks_of(text)
    if blocks is None or _SHARED.search(text):
        return parse(text)
    kept_at = folder / f"{LOCK_FILE}.{sys.implementation.cache_tag}"
    kept = _read(kept_at)
    digests = {hashlib.sha256(block.encode()).digest(): block for block in blocks.values()}
    if absent := [digest for digest in digests if digest not in kept]:
        try:
            new = parse(HEAD + "".join(digests[digest] for digest in absent))["stages"]
        except YAMLFileCorruptedError:  # of these blocks by themselves
            return parse(text)
        if len(new) != len(absent):
            return parse(text)
        kept |= {digest: [name, stage] for digest, (name, stage) in zip(absent, new.items(), strict=True)}
        _write(kept_at, {digest: kept[digest] for digest in digests})
    stages = dict(kept[digest] for digest in digests)
    return {"schema": "2.0", "stages": stages} if len(stages) == len(blocks) else parse(text)


def _read(path: Path) -> Kept:
    """Read the cache; empty where there is none, or where it is damaged."""
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return {}
    content = stored[_DIGEST:]
    if hashlib.sha256(content).digest() != stored[:_DIGEST]:
        return {}
    kept: Kept = marshal.loads(content)  # noqa: S302 (as trusted as the bytecode that Python keeps)
    return kept


def _write(path: Path, kept: Kept) -> None:
    """Write the whole cache or nothing; a lock with a value that marshal can't hold (a date) is parsed each time."""
    try:
        content = marshal.dumps(kept)
    except ValueError:
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(hashlib.sha256(content).digest() + content)
    temporary.replace(path)

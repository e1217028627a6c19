"""Content-addressed files: key = hash of everything the value depends on; checked on every read.

A value lies at ``root/ab/abcdef...`` as its SHA-256 (32 bytes) followed by its bytes. Writers use a
temporary name and rename, so that readers see a whole value or none. A damaged value is moved to
``root/quarantine`` and counts as absent. So what can be computed again need not wait for the disk (a power cut may cost
it); what was given does. Replies that were paid for lie apart (``items.replies``).
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.progress import Track

DEFAULT_ROOT = Path("cache/items")
_SIZE_CAP = "EQUIDERM_ITEMS_GIB"


def item_key(operation: str, code: str, **inputs: Any) -> str:
    """The key of one value: operation, code version and JSON-able inputs (digests for large ones)."""
    text = json.dumps([operation, code, inputs], sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def item_seed(key: str) -> int:
    """A seed that belongs to the item, whatever its place in a loop: 63 bits of its key."""
    return int(key[:16], 16) >> 1


def read_checked(path: Path, quarantine: Path) -> bytes | None:
    """The value that was written to ``path``, or None where it is absent or damaged (then moved to ``quarantine``)."""
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    if hashlib.sha256(stored[32:]).digest() == stored[:32]:
        return stored[32:]
    quarantine.parent.mkdir(parents=True, exist_ok=True)
    path.replace(quarantine)
    return None


def write_checked(path: Path, value: bytes, *, synced: bool) -> None:
    """Write ``value`` with its digest, whole or not at all; ``synced``: when this returns, it is on the disk."""
    with atomic_file(path, synced=synced) as temporary:
        temporary.write_bytes(hashlib.sha256(value).digest() + value)


@dataclass(frozen=True)
class CacheStats:
    """What a pass over the store did."""

    reused: int
    computed: int


@dataclass(frozen=True)
class ItemStore:
    """A folder of values by key. Safe for several processes at once."""

    root: Path = DEFAULT_ROOT

    def path(self, key: str) -> Path:
        """Where the value of ``key`` lies."""
        return self.root / key[:2] / key

    def get(self, key: str) -> bytes | None:
        """The value, or None where it is absent or damaged (then quarantined)."""
        return read_checked(self.path(key), self.root / "quarantine" / key)

    def put(self, key: str, value: bytes) -> None:
        """Store ``value`` whole or not at all; when this returns, it is on the disk."""
        write_checked(self.path(key), value, synced=True)

    def get_or_compute(
        self, keys: Sequence[str], compute: Callable[[list[int]], list[bytes]], batch_size: int, what: str
    ) -> tuple[list[bytes], CacheStats]:
        """Values of all ``keys``, computing the absent ones.

        ``compute`` gets positions in ``keys``, always exactly ``batch_size`` of them (the last batch repeats
        its last position), so that batch shape, and with it every bit, does not depend on what was stored.
        """
        values = {i: value for i, key in enumerate(keys) if (value := self.get(key)) is not None}
        first_of = {keys[i]: i for i in reversed(range(len(keys))) if i not in values}
        absent = sorted(first_of.values())
        batches = [absent[i : i + batch_size] for i in range(0, len(absent), batch_size)]
        for batch in Track(batches, what, len(batches)):
            padded = batch + [batch[-1]] * (batch_size - len(batch))
            for i, value in zip(batch, compute(padded), strict=False):
                write_checked(self.path(keys[i]), value, synced=False)
                values[i] = value
        everything = [values[i] if i in values else values[first_of[key]] for i, key in enumerate(keys)]
        return everything, CacheStats(len(keys) - len(absent), len(absent))

    def collect_garbage(self, max_bytes: int) -> int:
        """Delete the values read or written longest ago until at most ``max_bytes`` remain; bytes freed."""
        files = [(f.stat(), f) for f in self.root.glob("??/*") if f.is_file()]
        total, freed = sum(s.st_size for s, _ in files), 0
        for stat, file in sorted(files, key=lambda pair: max(pair[0].st_atime, pair[0].st_mtime)):
            if total - freed <= max_bytes:
                break
            file.unlink(missing_ok=True)
            freed += stat.st_size
        return freed


def default_store() -> ItemStore:
    """The clone's own store (or ``EQUIDERM_ITEMS``), kept under ``EQUIDERM_ITEMS_GIB`` (default 50)."""
    store = ItemStore(Path(os.environ.get("EQUIDERM_ITEMS", DEFAULT_ROOT)))
    store.collect_garbage(int(float(os.environ.get(_SIZE_CAP, "50")) * 2**30))
    return store

"""Values by what they depend on: key = hash of all of it; checked on every read.

Small values lie in the store's index (``items.index``), each after its SHA-256 (32 bytes); large ones as files
``root/ab/abcdef...`` of the same form, which are written under a temporary name and renamed, so that readers see a
whole value or none. A damaged value is moved to ``root/quarantine`` and counts as absent. What can be computed again
need not wait for the disk (a power cut may cost it); what was given does. Replies that were paid for lie apart
(``items.replies``).
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline_steps.items.behind import kept_behind
from pipeline_steps.items.index import Entry, index_of
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.progress import Track

DEFAULT_ROOT = Path("cache/items")
_SIZE_CAP = "EQUIDERM_ITEMS_GIB"
_DIGEST = 32
SMALL = 1 << 15  # bytes of a value that still lies in the index
_LEFT = 0.9  # of the largest size, down to which a collection goes


def item_key(operation: str, code: str, **inputs: Any) -> str:
    """The key of one value: operation, code version and JSON-able inputs (digests for large ones)."""
    text = json.dumps([operation, code, inputs], sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def item_seed(key: str) -> int:
    """A seed that belongs to the item, whatever its place in a loop: 63 bits of its key."""
    return int(key[:16], 16) >> 1


def checked(stored: bytes) -> bytes | None:
    """The value in ``stored``, or None where it is damaged."""
    value = stored[_DIGEST:]
    return value if hashlib.sha256(value).digest() == stored[:_DIGEST] else None


def with_digest(value: bytes) -> bytes:
    """``value`` after its digest, as ``checked`` takes it."""
    return hashlib.sha256(value).digest() + value


def read_checked(path: Path, quarantine: Path) -> bytes | None:
    """The value that was written to ``path``, or None where it is absent or damaged (then moved to ``quarantine``)."""
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    if (value := checked(stored)) is None:
        quarantine.parent.mkdir(parents=True, exist_ok=True)
        path.replace(quarantine)
    return value


def write_checked(path: Path, value: bytes, *, synced: bool) -> None:
    """Write ``value`` with its digest, whole or not at all; ``synced``: when this returns, it is on the disk."""
    with atomic_file(path, synced=synced) as temporary:
        temporary.write_bytes(with_digest(value))


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
        """Where the value of ``key`` lies, if it is large."""
        return self.root / key[:2] / key

    def get(self, key: str) -> bytes | None:
        """The value, or None where it is absent or damaged (then quarantined)."""
        entry = index_of(self.root).entry(key)
        if entry is None or entry.value is None:
            value = read_checked(self.path(key), self._quarantine(key))
        elif (value := checked(entry.value)) is None:
            self._quarantine(key).parent.mkdir(parents=True, exist_ok=True)
            self._quarantine(key).write_bytes(entry.value)
        if value is None and entry is not None:
            index_of(self.root).drop([key])
        return value

    def _quarantine(self, key: str) -> Path:
        return self.root / "quarantine" / key

    def keep(self, values: dict[str, bytes]) -> None:
        """Store what was computed, as values by key: small ones in the index, in one writing."""
        for key, value in values.items():
            if len(value) > SMALL:
                write_checked(self.path(key), value, synced=False)
        index_of(self.root).add(
            {k: Entry(len(v), None if len(v) > SMALL else with_digest(v)) for k, v in values.items()}
        )

    def get_or_compute(
        self,
        keys: Sequence[str],
        compute: Callable[[list[int]], Sequence[Any]],
        batch_size: int,
        what: str,
        *,
        finish: Callable[[Any], bytes] = bytes,
        behind: bool = False,
    ) -> tuple["StoredItems", CacheStats]:
        """Values of all ``keys``, once those that are absent are computed and stored; none is held beyond its batch.

        ``compute`` gets positions in ``keys``, always exactly ``batch_size`` of them (the last batch repeats
        its last position), so that batch shape, and with it every bit, does not depend on what was stored. What it
        gives is stored as ``finish`` makes bytes of it: at once, or ``behind``, by a thread while a GPU computes the
        next batch.
        """
        known = index_of(self.root).known(list(dict.fromkeys(keys)))
        first_of = {keys[i]: i for i in reversed(range(len(keys))) if keys[i] not in known}
        absent = sorted(first_of.values())
        batches = [absent[i : i + batch_size] for i in range(0, len(absent), batch_size)]

        def finished(made: tuple[list[int], Sequence[Any]]) -> None:
            self.keep({keys[i]: finish(value) for i, value in zip(*made, strict=False)})

        with kept_behind(finished, behind=behind) as keep:
            for batch in Track(batches, what, len(batches)):
                padded = batch + [batch[-1]] * (batch_size - len(batch))
                keep((batch, compute(padded)))
        return StoredItems(self, keys), CacheStats(len(keys) - len(absent), len(absent))

    def collect_garbage(self, max_bytes: int) -> int:
        """If there are more than ``max_bytes``, delete those used longest ago until a tenth less is left; bytes freed.

        What was used yesterday or today stays: a training may still read it.
        """
        index = index_of(self.root)
        if (total := index.size()) <= max_bytes:
            return 0
        freed, gone = 0, []
        for key, size, is_file in index.unused():
            if total - freed <= _LEFT * max_bytes:
                break
            if is_file:
                self.path(key).unlink(missing_ok=True)
            gone.append(key)
            freed += size
        if gone:
            index.drop(gone)
            index.shrink()
        return freed


@dataclass(frozen=True)
class StoredItems(Sequence[bytes]):
    """Values of ``keys`` in the ``store``, read when they are asked for."""

    store: ItemStore
    keys: Sequence[str]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.keys)

    def __getitem__(self, position: int) -> bytes:  # type: ignore[override]
        """The value at ``position``.

        Raises:
            DataError: it was deleted or damaged since it was computed.
        """
        value = self.store.get(self.keys[position])
        if value is None:
            raise DataError(
                f"{self.store.path(self.keys[position])} was computed and is gone, or damaged: run again; if other "
                f"runs share this store, raise {_SIZE_CAP}, the GiB that are kept"
            )
        return value


@dataclass(frozen=True)
class Derived(Sequence[bytes]):
    """Values that ``of`` makes of their positions when they are asked for."""

    length: int
    of: Callable[[int], bytes]

    def __len__(self) -> int:
        """How many there are."""
        return self.length

    def __getitem__(self, position: int) -> bytes:  # type: ignore[override]
        """The value at ``position``."""
        if not 0 <= position < self.length:
            raise IndexError(position)
        return self.of(position)


def default_store() -> ItemStore:
    """The clone's own store (or ``EQUIDERM_ITEMS``), kept under ``EQUIDERM_ITEMS_GIB`` (default 50)."""
    return _store(os.environ.get("EQUIDERM_ITEMS", str(DEFAULT_ROOT)), os.environ.get(_SIZE_CAP, "50"))


@cache
def _store(root: str, gib: str) -> ItemStore:
    """The store at ``root``, from which too much was taken once in this process, when it began."""
    store = ItemStore(Path(root))
    store.collect_garbage(int(float(gib) * 2**30))
    return store

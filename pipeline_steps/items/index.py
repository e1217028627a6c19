"""The item store's index: small values themselves, and of large ones how long they are and when they were last used.

One SQLite file. 100,000 small values cost seven times less processor time there than as files, and how much there is
need not be counted by listing a folder.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

FILE = "index.sqlite"
_WAIT = 120  # seconds for another process to end its writing
_DAY = 86_400
_KEY = 64  # characters
_ASKED = 500  # keys in one query
_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (key TEXT PRIMARY KEY, size INTEGER NOT NULL, day INTEGER NOT NULL, value BLOB);
CREATE INDEX IF NOT EXISTS by_day ON items (day, size);
"""


class Entry(NamedTuple):
    """What the index has of a key: its size in bytes, and its value unless that lies in a file."""

    size: int
    value: bytes | None


class Index:
    """The index of the store at ``root``, as one thread of one process sees it."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._file = root / FILE
        is_new = not self._file.exists()
        self._database = self._open()
        if is_new:  # of a store that an earlier version made, or whose index is gone
            self.add({f.name: Entry(f.stat().st_size, None) for f in root.glob("??/*") if len(f.name) == _KEY})

    def _open(self) -> sqlite3.Connection:
        """Open the file; one that is damaged is put aside, for all in it can be made again."""
        try:
            return _connected(self._file)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
                with suppress(FileNotFoundError):
                    self._file.with_name(name).replace(self._file.with_name(f"{name}.damaged"))
            return _connected(self._file)

    def entry(self, key: str) -> Entry | None:
        """What there is of ``key``, now marked as used today; None if there is nothing."""
        row = self._database.execute("SELECT size, value, day FROM items WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        size, value, day = row
        if day != _today():
            self._touch([key])
        return Entry(size, value)

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of ``keys`` that there are, now marked as used today."""
        found: set[str] = set()
        for start in range(0, len(keys), _ASKED):
            some = keys[start : start + _ASKED]
            marks = ",".join("?" * len(some))
            rows = list(self._database.execute(f"SELECT key, day FROM items WHERE key IN ({marks})", some))  # noqa: S608
            found |= {key for key, _ in rows}
            self._touch([key for key, day in rows if day != _today()])
        return found

    def _touch(self, keys: Sequence[str]) -> None:
        if keys:
            with self._database as writing:
                writing.executemany("UPDATE items SET day = ? WHERE key = ?", [(_today(), key) for key in keys])

    def add(self, values: Mapping[str, Entry]) -> None:
        """Take in values, all or none of them."""
        rows = [(key, entry.size, _today(), entry.value) for key, entry in values.items()]
        with self._database as writing:
            writing.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)", rows)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget ``keys``."""
        with self._database as writing:
            writing.executemany("DELETE FROM items WHERE key = ?", [(key,) for key in keys])

    def size(self) -> int:
        """Bytes of all values together."""
        return int(self._database.execute("SELECT coalesce(sum(size), 0) FROM items").fetchone()[0])

    def unused(self) -> list[tuple[str, int, bool]]:
        """Key, size and whether it lies in a file, of values not used since yesterday; first those of longest ago."""
        asked = "SELECT key, size, value IS NULL FROM items WHERE day < ? ORDER BY day, rowid"
        return [(k, size, bool(is_file)) for k, size, is_file in self._database.execute(asked, (_today() - 1,))]

    def shrink(self) -> None:
        """Give the room of what was dropped back to the disk, unless another process reads just now: then later."""
        with suppress(sqlite3.OperationalError):
            self._database.execute("VACUUM")

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _connected(file: Path) -> sqlite3.Connection:
    """Open the file, and make it if it is new: one process at a time, for SQLite does not wait there."""
    database = sqlite3.connect(file, timeout=_WAIT)
    with FileLock(file.with_name(f"{FILE}.lock"), timeout=_WAIT):
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    return database


def _today() -> int:
    return int(time.time() // _DAY)


def index_of(root: Path) -> Index:
    """The index of a store for this thread: a connection is not shared with others, nor with a forked process."""
    return _index(root.resolve(), os.getpid(), threading.get_ident())


@lru_cache(maxsize=64)
def _index(root: Path, _process: int, _thread: int) -> Index:
    return Index(root)

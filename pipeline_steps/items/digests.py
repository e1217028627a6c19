"""Digests of large folders that were hashed before, remembered in the item store while nothing says that they changed.

As git's index does: a file whose path, size, inode, and times of modification and of change are as they were has the
content that it had. The time of change is the system's own and can't be set back, so that a file with other content
of the same size is found where its time of modification was put back, too. (Windows has no such time: there, inode and
time of modification alone tell.) What changed a moment before it was hashed is not remembered, for within one tick of
the clock it could change again and look the same.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import default_store, item_key

_SMALL = 1 << 26  # bytes that are hashed sooner than looked up: a twentieth of a second
_SETTLED = 5  # seconds since the last change; file systems count in steps of up to two


def remembered_digest(digest: Callable[..., str], folder: Path, **inputs: Any) -> str:
    """What ``digest`` says of ``folder`` and JSON-able ``inputs``; it is a function of the files' names and bytes."""
    before, started = _facts(folder), time.time_ns()
    if sum(size for _, size, *_ in before) < _SMALL:
        return digest(folder, **inputs)
    code = f"{digest.__qualname__} {code_version(digest.__module__)}"
    key, store = item_key("digest", code, folder=str(folder.resolve()), files=before, **inputs), default_store()
    if (known := store.get(key)) is not None:
        return known.decode()
    found = digest(folder, **inputs)
    latest = max(max(modified, changed) for _, _, modified, changed, *_ in before)
    if latest < started - _SETTLED * 10**9:
        store.keep({key: found.encode()})
    return found


def _facts(folder: Path) -> list[tuple[str, int, int, int, int, int]]:
    """Of each file its name, size, times of modification and of change (nanoseconds), inode and device."""
    found = []
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        s = file.stat()
        name = file.relative_to(folder).as_posix()
        found.append((name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, s.st_dev))
    return found

"""Write whole or not at all: outputs appear under their name only when they are complete."""

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCKS = Path("runs/locks")


_STORAGE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


class OutputError(RuntimeError):
    """An output can't be written: fact, place and remedy."""


class BusyError(OutputError):
    """Another process is writing the same output."""


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what the storage refuses into an error that names the output."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_ERRORS:
            raise
        at = f" (at {error.filename})" if error.filename else ""
        raise OutputError(f"{path} can't be written: {error.strerror}{at}; nothing of it was kept") from error


@contextmanager
def atomic_file(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is renamed to ``path``. Threads may write the same at once.

    ``synced``: before that its bytes are on the disk, so that not even a power cut leaves a part under the name.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if synced:
                with temporary.open("rb+") as written:
                    os.fsync(written.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; on success it replaces ``path``.

    Raises:
        BusyError: another process is between this function's start and end for the same ``path``.
    """
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _sole_writer(path), _fresh_folder(path) as temporary:
            yield temporary


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    """A lock outside of DVC's outputs, freed by the system however its holder ends."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    lock = FileLock(LOCKS / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(f"{path} is being written by another process; wait for it or stop it, then run again") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _fresh_folder(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

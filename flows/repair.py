"""Repair DVC's own files after a kill in the middle of writing: DVC alone would refuse to work, or run all stages."""

import json
import logging
import os
import subprocess
from pathlib import Path
from typing import Any

import psutil
from dvc.dvcfile import LOCK_FILE
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

log = logging.getLogger(__name__)


def repair_rwlock(folder: Path) -> None:
    """Take out of ``.dvc/tmp/rwlock`` (in ``folder``) what killed processes left there, or remove it if it is damaged.

    Damaged, it would stop all later commands; of each process that is gone, DVC would warn. Whoever writes the file
    holds its guard, so what cannot be read under the guard will never be.
    """
    path = folder / RWLOCK_FILE
    if not path.exists():
        return
    with make_lock(str(path.with_name(RWLOCK_LOCK)), tmp_dir=str(folder)):
        try:
            held = json.loads(path.read_text("utf-8"))
            alive = {mode: _of_living(entries) for mode, entries in held.items()}
        except FileNotFoundError:
            return
        except (ValueError, AttributeError, TypeError, KeyError):
            path.unlink()
            return
        if alive != held:
            temporary = path.with_name(f"{RWLOCK_FILE}.{os.getpid()}.part")
            temporary.write_text(json.dumps(alive), "utf-8")
            temporary.replace(path)


def _of_living(entries: dict[str, Any]) -> dict[str, Any]:
    """By path: the readers (a list), or the writer, whose process is still there."""
    found = {
        path: [one for one in who if _is_alive(int(one["pid"]))]
        if isinstance(who, list)
        else (who if _is_alive(int(who["pid"])) else None)
        for path, who in entries.items()
    }
    return {path: who for path, who in found.items() if who}


def _is_alive(pid: int) -> bool:
    """Whether a process works: one that was killed and that nobody has waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def load_graph(repo: Repo) -> Any:
    """The graph of all stages, with ``dvc.lock`` taken from the last commit where only a part of it was written.

    A part is one that can't be parsed (a merge conflict apart), or that lacks a frozen stage: nothing could bring that
    one back, for it is not to be run. What else the part held comes back from DVC's run cache.
    """
    try:
        graph = repo.index.graph
        if not any(s.frozen and not all(out.hash_info for out in s.outs) for s in graph):
            return graph
    except (YAMLSyntaxError, YAMLValidationError) as error:
        path = error.relpath if isinstance(error, YAMLSyntaxError) else error.path
        if Path(path).name != LOCK_FILE or getattr(error, "hint", ""):
            raise
    ask = ["git", "show", f"HEAD:./{LOCK_FILE}"]
    committed = subprocess.run(ask, cwd=repo.root_dir, capture_output=True, check=False)  # noqa: S603
    lock = Path(repo.root_dir, LOCK_FILE)
    if committed.returncode == 0 and (not lock.exists() or lock.read_bytes() != committed.stdout):
        log.warning("%s was written in part only: the committed one takes its place", LOCK_FILE)
        lock.write_bytes(committed.stdout)
        repo._reset()  # noqa: SLF001 (forgets what it has parsed; DVC offers no public way)
    return repo.index.graph

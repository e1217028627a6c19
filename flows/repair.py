"""DVC's own files as a kill in the middle of writing leaves them, made whole: DVC alone would refuse, or start anew."""

import json
import logging
import subprocess
from pathlib import Path
from typing import Any

from dvc.dvcfile import LOCK_FILE
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

log = logging.getLogger(__name__)


def repair_rwlock(repo: Repo) -> None:
    """Remove ``.dvc/tmp/rwlock`` if it is damaged: it would stop all later commands.

    Whoever writes the file holds its guard, so what cannot be read under the guard will never be.
    """
    path = Path(repo.tmp_dir, RWLOCK_FILE)
    with make_lock(str(path.with_name(RWLOCK_LOCK)), tmp_dir=repo.tmp_dir):
        try:
            json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return
        except ValueError:
            path.unlink()


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

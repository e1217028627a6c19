"""Parameters overridden for one run, and taken back unless it succeeds.

What the files held before lies in ``runs/overridden`` meanwhile, with the process that has changed them: whatever
ends a run takes the change back at once; after SIGKILL the next run does.
"""

import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from flows.experiment import check_request, override
from flows.grid import CELLS, PARAMS, STAMP, refresh_cells, require_inputs
from flows.plan import check_targets
from flows.working_directory import check_working_directory

FOLDER = Path("runs/overridden")
_OWNER = "owner.json"
_FILES = (PARAMS, CELLS, STAMP)
_MEANWHILE = "changed meanwhile"


@dataclass
class Overridden:
    """A change of ``params.yaml`` and ``cells.yaml`` that is taken back unless it is kept."""

    overrides: Sequence[str]
    kept: bool = field(default=False, init=False)

    def keep(self) -> None:
        """Leave the files as they are, and drop cells that are no longer among them."""
        self.kept = True
        shutil.rmtree(FOLDER, ignore_errors=True)
        refresh_cells(prune=True)


@contextmanager
def overridden(overrides: Sequence[str], *, quietly: bool = False) -> Iterator[Overridden]:
    """Apply Hydra-style ``overrides`` to ``params.yaml`` and remake ``cells.yaml``, within the block; drop no cell.

    ``quietly``: don't report that the files were taken back.

    Raises:
        ValueError: an override is wrong, or the grid that it makes; the files are as before.
    """
    change = Overridden(overrides)
    _save(overrides)
    try:
        override(overrides)
        refresh_cells(prune=False)
        _update_owner(after=_digests())
        yield change
    finally:
        if not change.kept and (report := _restore_files()) and (_MEANWHILE in report or not quietly):
            print(report, file=sys.stderr, flush=True)


def check_start(overrides: Sequence[str], experiment: str, pool: str) -> str:
    """Find what would stop a run before it begins; what a killed run had left and was taken back, in words.

    Raises:
        ValueError: the run can't be as it is asked for, or not here.
    """
    check_working_directory()
    restored = restore_overrides()
    check_request(overrides, experiment, pool)
    return restored


def check_parameters(overrides: Sequence[str], targets: tuple[str, ...], *, here: bool) -> None:
    """Check ``params.yaml`` with ``overrides``, and targets by its grid; the files stay, or follow the grid.

    ``here``: this machine needs the data set.

    Raises:
        ValueError: a parameter is wrong, or the data are not where it says: every mistake is named. Or a target is
            no stage.
    """
    with overridden(overrides, quietly=True) if overrides else nullcontext():
        if not overrides:
            refresh_cells(prune=True)
        check_targets(targets)
        if here:
            require_inputs()


def restore_overrides() -> str:
    """Take back what a killed run had overridden; returns what was done, in words, or nothing if there was no such run.

    Raises:
        ValueError: a run that lives has overridden parameters here.
    """
    if not FOLDER.exists():
        return ""
    owner = json.loads((FOLDER / _OWNER).read_text("utf-8"))
    if _is_running(owner):
        raise ValueError(
            f"a run with -S {' -S '.join(owner['overrides'])} (process {owner['pid']} on {owner['host']}) has changed "
            f"{PARAMS} in this clone: wait for its end, or work in another clone; if it is gone, delete {FOLDER}"
        )
    return f"a run with -S {' -S '.join(owner['overrides'])} was killed: {_restore_files() or 'it had changed nothing'}"


def _save(overrides: Sequence[str]) -> None:
    """Keep the files as they are now; whole or not at all."""
    part = FOLDER.with_suffix(f".{os.getpid()}.part")
    part.mkdir(parents=True)
    for file in _FILES:
        if file.exists():
            shutil.copy2(file, part / file.name)
    process = psutil.Process()
    owner = {"overrides": list(overrides), "host": platform.node(), "pid": process.pid}
    (part / _OWNER).write_text(json.dumps(owner | {"started": process.create_time(), "after": {}}), "utf-8")
    part.rename(FOLDER)


def _update_owner(**facts: object) -> None:
    temporary = FOLDER / f"{_OWNER}.part"
    temporary.write_text(json.dumps(json.loads((FOLDER / _OWNER).read_text("utf-8")) | facts), "utf-8")
    temporary.replace(FOLDER / _OWNER)


def _restore_files() -> str:
    """Bring the files back, but for those that somebody else has changed meanwhile; what was done, in words."""
    after = json.loads((FOLDER / _OWNER).read_text("utf-8"))["after"]
    now, before = _digests(), _digests(FOLDER)
    changed = [file for file in _FILES if now[file.name] != before[file.name]]
    edited = [file.name for file in changed if after and now[file.name] != after[file.name] and file != STAMP]
    if edited:
        left = Path(f"{FOLDER}.{os.getpid()}.left")
        FOLDER.rename(left)
        return f"{', '.join(edited)} {_MEANWHILE} and stayed so; what stood there before the run is in {left}"
    for file in changed:
        if (FOLDER / file.name).exists():
            temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
            shutil.copy2(FOLDER / file.name, temporary)
            temporary.replace(file)
        else:
            file.unlink()
    shutil.rmtree(FOLDER)
    names = [file.name for file in changed if file != STAMP]
    state = "are again as they were" if len(names) > 1 else "is again as it was"
    return f"{' and '.join(names)} {state} before the run" if names else ""


def _digests(folder: Path = Path()) -> dict[str, str]:
    """Digests by file name: of the copies in ``folder``, or, without one, of the files themselves."""
    places = {file.name: folder / file.name if folder != Path() else file for file in _FILES}
    return {name: hashlib.sha256(p.read_bytes()).hexdigest() if p.exists() else "-" for name, p in places.items()}


def _is_running(owner: dict[str, object]) -> bool:
    """Whether the process exists; a process of another host is assumed to."""
    if owner["host"] != platform.node():
        return True
    try:
        return abs(psutil.Process(int(str(owner["pid"]))).create_time() - float(str(owner["started"]))) < 2
    except psutil.NoSuchProcess:
        return False

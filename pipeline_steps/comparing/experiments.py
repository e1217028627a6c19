"""An experiment as DVC keeps it: a git revision, a DVC experiment, or the workspace.

Files are read by DVC's own file system, so from git, from DVC's cache, or from a DVC remote, whichever has them.
"""

import difflib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from pipeline_steps.stage.errors import DataError

WORKSPACE = "workspace"
Parse = Callable[[bytes], Any]


@dataclass(frozen=True)
class Experiment:
    """``name`` as it was asked for; ``revision``: its commit, empty of the workspace.

    ``files``: DVC's file system of it; ``absent``: outputs that were asked for and are nowhere, in their order.
    """

    name: str
    revision: str
    files: Any
    absent: dict[str, None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name, with the commit's first digits where that is something else."""
        short = self.revision[:7]
        return self.name if not short or self.name.startswith(short) else f"{self.name} ({short})"

    def read(self, path: str, parse: Parse) -> Any:
        """What a file holds; None where neither git, nor DVC's cache, nor a remote has it."""
        from dvc_data.index import DataIndexDirError  # a folder's list of files is nowhere; no OSError

        try:
            content = self.files.read_bytes(path)
        except (OSError, DataIndexDirError):
            self.absent[path] = None
            return None
        return parse(content)

    def json(self, path: str) -> Any:
        """A metrics file; None where it is not at hand."""
        return self.read(path, json.loads)

    def table(self, path: str) -> pd.DataFrame | None:
        """A Parquet table; None where it is not at hand."""
        found = self.read(path, lambda content: pd.read_parquet(io.BytesIO(content)))
        assert found is None or isinstance(found, pd.DataFrame)
        return found

    @cached_property
    def cells(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What ``cells.yaml`` holds: the expanded grid."""
        return dict(self._yaml("cells.yaml").get("cells", {}))

    @cached_property
    def params_text(self) -> str:
        """``params.yaml`` as it is written."""
        return str(self.read("params.yaml", lambda content: content.decode("utf-8")) or "")

    @cached_property
    def params(self) -> dict[str, Any]:
        """What ``params.yaml`` holds."""
        return self._yaml("params.yaml")

    @cached_property
    def stages(self) -> dict[str, dict[str, Any]]:
        """What ``dvc.lock`` recorded of each stage when it ran; without cells that left the grid."""
        keys = {key for cells in self.cells.values() for key in cells}
        found = self._yaml("dvc.lock").get("stages", {})
        return {name: stage for name, stage in found.items() if "@" not in name or name.partition("@")[2] in keys}

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The digest of each output, by path, as ``dvc.lock`` has it."""
        return {o["path"]: o["md5"] for s in self.stages.values() for o in s.get("outs", ()) if "md5" in o}

    def _yaml(self, path: str) -> dict[str, Any]:
        found = self.read(path, lambda content: YAML(typ="safe", pure=True).load(content.decode("utf-8")))
        return dict(found) if isinstance(found, Mapping) else {}


def open_experiment(name: str) -> Experiment:
    """The experiment that ``name`` means.

    Raises:
        DataError: it means none; the message has what may have been meant.
    """
    from dvc.api import DVCFileSystem  # late, as it takes a second
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import RevError, resolve_rev

    try:
        with Repo() as repo:
            try:
                revision = "" if name == WORKSPACE else str(resolve_rev(repo.scm, name))
            except RevError:
                raise DataError(_unknown(name, sorted(set(_names(repo))))) from None
    except NotDvcRepoError:
        raise DataError("this folder is no DVC repository: run it from the project's root") from None
    return Experiment(name, revision, DVCFileSystem(repo=".", rev=revision or None))


def _names(repo: Any) -> Iterator[str]:
    """Names that mean an experiment here."""
    yield WORKSPACE
    yield from repo.scm.list_branches()
    yield from repo.scm.list_tags()
    for found in repo.experiments.ls(all_commits=True).values():
        yield from (name for name, _ in found)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 3, 0.5)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return (
        f"{name!r} is no commit, branch, tag or DVC experiment of this clone; {meant}"
        f"There are {', '.join(known)}. 'dvc exp list --all-commits' lists experiments, 'git log' commits, and "
        "'dvc exp pull GIT_REMOTE NAME' brings an experiment of somebody else's"
    )


def how_to_bring(one: Experiment) -> str:
    """The command that brings outputs that are not at hand."""
    from dvc.repo import Repo

    with Repo() as repo:
        remote = repo.config["core"].get("remote", "")
    again = "dvc repro" if not one.revision else f"git checkout {one.revision[:7]} && dvc repro"
    if remote:
        return f"the remote {remote!r} lacks them, too: 'dvc push' where it was run, or '{again}' makes them"
    return f"no DVC remote is set: 'dvc remote add --default NAME PLACE' and 'dvc fetch', or '{again}' makes them"

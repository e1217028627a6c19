"""What DVC knows of every run of a stage: its records, and the objects of its cache.

A record says which contents (MD5) went in under which path and which came out: ``dvc.lock`` as it is and as any commit
of this clone has it (experiments are commits, too), and DVC's run cache (``cache/runs``).
"""

import io
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

LOCK = Path("dvc.lock")
_DIRECTORY = ".dir"


@dataclass(frozen=True)
class Run:
    """One run of ``stage`` (its module): contents by path of what it read and what it wrote."""

    stage: str
    deps: Mapping[str, str]
    outs: Mapping[str, str]
    record: Path | None  # in the run cache

    @property
    def split(self) -> tuple[str, str] | None:
        """Path and content of the split that it read."""
        return next(((p, md5) for p, md5 in self.deps.items() if p.startswith("data/splits/")), None)


@dataclass(frozen=True)
class Cache:
    """DVC's cache at ``root``, and the outputs that lie in this working tree as ``dvc.lock`` has them."""

    root: Path
    present: Mapping[str, str]  # content by path

    def object(self, md5: str) -> Path:
        """Where a content lies, if it does."""
        return self.root / "files" / "md5" / md5[:2] / md5[2:]

    def members(self, md5: str) -> dict[str, str]:
        """Contents by relative path of a folder; none of a file, or where the cache lacks it."""
        file = self.object(md5)
        if not md5.endswith(_DIRECTORY) or not file.is_file():
            return {}
        return {entry["relpath"]: entry["md5"] for entry in json.loads(file.read_text("utf-8"))}

    def read(self, md5: str, path: str, within: str = "") -> bytes | None:
        """A file of this content, from the cache or from ``path`` here; ``within``: its place in a folder."""
        wanted = self.members(md5).get(within, "") if within else md5
        files = [self.object(wanted)] if wanted else []
        files += [Path(path) / within] if self.present.get(path) == md5 else []
        return next((file.read_bytes() for file in files if file.is_file()), None)

    def table(self, md5: str, path: str, within: str = "") -> pd.DataFrame | None:
        """The same as a table (Parquet); None where it is not to be had."""
        content = self.read(md5, path, within)
        return None if content is None else pd.read_parquet(io.BytesIO(content))

    @cached_property
    def folders(self) -> dict[str, dict[str, str]]:
        """Members of all folders in the cache, by content."""
        names = [f.parent.name + f.name for f in (self.root / "files" / "md5").glob(f"??/*{_DIRECTORY}")]
        return {name: self.members(name) for name in sorted(names)}


def cache_folder() -> Path:
    """Where DVC's cache is, as DVC itself says."""
    said = _output("dvc", "cache", "dir")
    return Path(said.strip()) if said.strip() else Path(".dvc/cache")


def remotes() -> list[str]:
    """Names of the remotes that DVC may have sent outputs to."""
    return [line.split()[0] for line in _output("dvc", "remote", "list").splitlines() if line.strip()]


def recorded_runs(cache: Path) -> list[Run]:
    """Every run that this clone remembers; one that has several records comes several times."""
    runs = [_run(entry, None) for text in _locks() for entry in _stages(text)]
    for record in sorted((cache / "runs").glob("??/*/*")):
        entry = _parsed(record.read_text("utf-8"))
        runs += [_run(entry, record)] if isinstance(entry, dict) else []
    return runs


def present_outputs() -> dict[str, str]:
    """Contents by path of what ``dvc.lock`` says lies in this working tree, as far as it does."""
    entries = _stages(LOCK.read_text("utf-8")) if LOCK.is_file() else []
    return {p: md5 for entry in entries for p, md5 in _run(entry, None).outs.items() if Path(p).exists()}


def _locks() -> Iterator[str]:
    """``dvc.lock`` as it is, and each that a commit of this clone has."""
    if LOCK.is_file():
        yield LOCK.read_text("utf-8")
    commits = _output("git", "rev-list", "--all", "--", str(LOCK)).split()
    blobs = {_output("git", "rev-parse", f"{commit}:./{LOCK}").strip() for commit in commits}
    yield from (_output("git", "cat-file", "blob", blob) for blob in sorted(blobs - {""}))


def _output(*command: str) -> str:
    """What a command prints; nothing where it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - our own words
    except FileNotFoundError:
        return ""


def _stages(text: str) -> list[dict[str, Any]]:
    parsed = _parsed(text)
    return list(parsed.get("stages", {}).values()) if isinstance(parsed, dict) else []


def _parsed(text: str) -> Any:
    try:
        return YAML(typ="safe").load(text)
    except YAMLError:
        return None


def _run(entry: Mapping[str, Any], record: Path | None) -> Run:
    named = re.search(r"python -m pipeline_steps\.(\w+)", str(entry.get("cmd", "")))
    deps, outs = ({e["path"]: e["md5"] for e in entry.get(k, []) if "md5" in e} for k in ("deps", "outs"))
    return Run(named[1] if named else "", deps, outs, record)

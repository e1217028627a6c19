"""DVC as the flow sees it: which stages there are, in which order, what they need, and why each must run."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dvc import output
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from dvc.rwlock import RWLockFileCorruptedError, rwlock
from dvc.utils.flatten import flatten
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from flows.lock_cache import lock_parsed_once
from flows.memory import Peaks
from flows.params_cache import params_parsed_once
from flows.repair import load_graph, repair_rwlock


@dataclass(frozen=True)
class Stage:
    """A stage: its address, what it is for, the stages it needs, why it is stale by itself, and its resources.

    ``weights``: of the stages it needs those that make weights that it computes with.

    ``travels``: DVC caches all its outputs, so that a worker can run it elsewhere. ``frozen``: DVC never runs it, it
    looks whether its outputs are there.

    ``cores``, ``gpus``, ``memory`` (MiB), ``hours`` (0: no limit) and ``retries`` come from ``meta`` in dvc.yaml;
    ``memory`` is more where the stage took more before, or where it loads larger weights.
    """

    name: str
    desc: str
    needs: tuple[str, ...]
    why: tuple[str, ...]
    cores: int = 1
    gpus: int = 0
    memory: int = 0
    hours: float = 0.0
    retries: int = 0
    travels: bool = True
    frozen: bool = False
    weights: tuple[str, ...] = ()


_MODELS = "models/"
_CHECK = "check_params"  # its output never changes: that it runs makes nothing stale
_DEFAULTS = {"cores": 1, "gpus": 0, "memory": 0, "hours": 0.0, "retries": 0}


@retry(
    retry=retry_if_exception_type((LockError, RWLockFileCorruptedError)),
    wait=wait_random_exponential(max=5),
    stop=stop_after_delay(60),
    reraise=True,
)
def read_plan(targets: tuple[str, ...] = ()) -> list[Stage]:
    """Stages in the order of ``dvc repro``: all, or those that ``targets`` (names, or foreach groups) need.

    Raises:
        ValueError: a target is no stage, or a stage's ``meta`` holds something else than resources.
    """
    with Repo() as repo, repo.lock, _cached_reads(), lock_parsed_once():
        repair_rwlock(Path(repo.tmp_dir))
        graph = load_graph(repo)
        order = plan_repro(graph)
        wanted = _wanted({s.addressing: [n.addressing for n in graph.successors(s)] for s in order}, targets)
        status = _status(repo, [s for s in order if s.addressing in wanted])
        peaks, made_by = Peaks(), {out.def_path: s.addressing for s in order for out in s.outs}
        return [
            Stage(
                name=s.addressing,
                desc=s.desc or "",
                needs=tuple(sorted(n.addressing for n in graph.successors(s))),
                why=tuple(_reasons(s, status[s.addressing])),
                travels=all(out.use_cache for out in s.outs),
                frozen=s.frozen,
                weights=_weights(s, made_by),
                **_resources(s, peaks),
            )
            for s in order
            if s.addressing in wanted
        ]


def reasons_to_run(plan: Iterable[Stage], *, force: bool = False) -> dict[str, tuple[str, ...]]:
    """The stages that may run, in order, and why: what changed, or which stage before them may change something.

    Whether they do run is known when the stages before them have ended: equal outputs make nothing stale.
    """
    reasons: dict[str, tuple[str, ...]] = {}
    for stage in plan:
        if stage.frozen:
            continue
        before = [need for need in stage.needs if need in reasons and need != _CHECK]
        why = stage.why or tuple(f"{need} may change" for need in before)
        if why or force:
            reasons[stage.name] = why or ("forced",)
    return reasons


def _status(repo: Repo, stages: list[Any]) -> dict[str, list[Any]]:
    """DVC's entries on what changed, by stage.

    Repo.status would parse dvc.yaml again for each name it is given, and Stage.status write the rwlock for each stage;
    here one reader's lock holds for all.
    """
    read = [entry.fs_path for s in stages for entry in (*s.deps, *s.outs)]
    with rwlock(repo.tmp_dir, repo.fs, "plan", read, [], repo.config["core"].get("hardlink_lock", False)):
        return {s.addressing: type(s).status.__wrapped__(s).get(s.addressing, []) for s in stages}


@contextmanager
def _cached_reads() -> Iterator[None]:
    """Have DVC, within the block, locate and hash each file once, not for each stage that reads it.

    With parameters that are parsed once, that is most of a plan's time.
    """
    look, place = output.Output.get_hash, output.get_cloud_fs
    known: dict[tuple[str, str], Any] = {}
    placed: dict[str, Any] = {}

    def get_cloud_fs(config: Any, url: str, **options: Any) -> Any:
        """The file system of a path, its options and the path there; of one repository, within one plan."""
        if options:
            return place(config, url=url, **options)
        if url not in placed:
            placed[url] = place(config, url=url)
        kind, settings, path = placed[url]
        return kind, dict(settings), path

    def get_hash(out: output.Output) -> Any:
        key = (out.fs_path, out.hash_name)
        if key not in known:
            known[key] = look(out)
        return known[key]

    output.Output.get_hash, output.get_cloud_fs = get_hash, get_cloud_fs
    try:
        with params_parsed_once():
            yield
    finally:
        output.Output.get_hash, output.get_cloud_fs = look, place


def check_targets(targets: tuple[str, ...]) -> None:
    """Check that each target is a stage, or a group of cells; no file but ``dvc.yaml`` and what it includes is read.

    Raises:
        ValueError: one is not; the message has what may have been meant.
    """
    if targets:
        with Repo() as repo:
            _wanted({stage.addressing: [] for stage in repo.index.stages}, targets)


def _wanted(edges: dict[str, list[str]], targets: tuple[str, ...]) -> set[str]:
    if not targets:
        return set(edges)
    found = {t: {n for n in edges if t in (n, n.split("@")[0])} for t in targets}
    if unknown := [t for t, names in found.items() if not names]:
        near = {t: _similar(t, edges) for t in unknown}
        meant = [f"{t} (did you mean {' or '.join(near[t])}?)" if near[t] else t for t in unknown]
        raise ValueError(f"no stage {', '.join(meant)}; 'dvc stage list' names them")
    wanted = set().union(*found.values())
    todo = list(wanted)
    while todo:
        new = set(edges[todo.pop()]) - wanted
        wanted |= new
        todo += new
    return wanted


def _similar(name: str, stages: Iterable[str]) -> list[str]:
    """Stages, or groups of cells, whose names are like ``name``."""
    known = dict.fromkeys(s if "@" in name else s.split("@")[0] for s in stages)
    return get_close_matches(name, list(known), 3, 0.6)


def _weights(stage: Any, made_by: Mapping[str, str]) -> tuple[str, ...]:
    """The stages that make the weights that ``stage`` computes with; ``made_by``: stages by their outputs."""
    read = (dep.def_path for dep in stage.deps if dep.def_path.startswith(_MODELS))
    return tuple(dict.fromkeys(made_by[path] for path in read if path in made_by))


def _resources(stage: Any, peaks: Peaks) -> dict[str, Any]:
    meta = stage.meta or {}
    if unknown := set(meta) - set(_DEFAULTS):
        raise ValueError(f"{stage.addressing}: meta holds {', '.join(sorted(unknown))}, not {', '.join(_DEFAULTS)}")
    declared = {key: type(default)(meta.get(key, default)) for key, default in _DEFAULTS.items()}
    return declared | {"memory": peaks.need(stage.cmd or "", int(declared["memory"]))}


def _reasons(stage: Any, entries: list[Any]) -> Iterator[str]:
    """What changed since the stage last ran, in words; parameters with their old and new values."""
    if entries and not any(thing.hash_info for thing in (*stage.deps, *stage.outs)):
        yield "dvc.lock knows no run of it"
        return
    for entry in entries:
        if isinstance(entry, str):
            yield entry
            continue
        for kind, changed in entry.items():
            for path, how in changed.items():
                if isinstance(how, dict):
                    yield from _parameters(stage, path)
                else:
                    yield f"{how} {'output' if kind == 'changed outs' else 'dependency'} {path}"


def _parameters(stage: Any, path: str) -> Iterator[str]:
    dep = next(d for d in stage.params if str(d) == path)
    before, now = (flatten(values or {}) for values in (dep.hash_info.value, dep.read_params()))
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            yield f"{key} {_shown(before, key)} → {_shown(now, key)}"


def _shown(values: dict[str, Any], key: str) -> str:
    return repr(values[key]) if key in values else "nothing"

"""What was changed between two experiments: parameters, wiring, code and images, as DVC recorded them."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_steps.comparing.experiments import Experiment
from pipeline_steps.configuration.profiles import profile_in_use

_CODE = "data/code/"
_IMAGES = "data/dataset"
ABSENT = "-"  # the value of a parameter that an experiment does not have


@dataclass(frozen=True)
class Changes:
    """``profiles`` in use; ``parameters``: old and new value by key, of those that stages read.

    ``wiring``: a sentence a cell of the grid. ``code``: by module of a stage the files whose code differs, none where
    the lists of files are not at hand. ``images``: whether the ingested images differ. ``not_run``: by experiment,
    parameters that differ from those its results were computed with.
    """

    profiles: tuple[str, str]
    parameters: dict[str, tuple[Any, Any]]
    wiring: list[str]
    code: dict[str, list[str]]
    images: bool
    not_run: dict[str, list[str]]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def changes(a: Experiment, b: Experiment) -> Changes:
    """From ``a`` to ``b``."""
    old, new = parameters(a), parameters(b)
    differing = [key for key in {**old, **new} if old.get(key, ABSENT) != new.get(key, ABSENT)]
    return Changes(
        profiles=(profile_in_use(a.params_text), profile_in_use(b.params_text)),
        parameters={key: (old.get(key, ABSENT), new.get(key, ABSENT)) for key in sorted(differing)},
        wiring=list(_wiring(a.cells, b.cells)),
        code=_code(a, b),
        images=a.outputs.get(_IMAGES) != b.outputs.get(_IMAGES),
        not_run={one.title: found for one in (a, b) if (found := not_run(one))},
    )


def parameters(one: Experiment) -> dict[str, Any]:
    """The parameters that stages read, flat, by DVC's own account (``dvc params diff --deps`` shows the same)."""
    from dvc.api import params_show

    found = params_show(rev=one.revision or None, deps=True)
    return {key: value for key, value in flat(found) if not key.startswith("made_by")}


def flat(node: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Values with dotted keys."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value


def not_run(one: Experiment) -> list[str]:
    """Parameters whose value is another than the one that ``dvc.lock`` recorded when their stage ran.

    Of a section that a stage reads whole also those that it had then, or has now, alone.
    """
    found = set[str]()
    for stage in one.stages.values():
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            if (now := _at(one.params, key)) is not ABSENT:
                old, new = dict(flat({key: value})), dict(flat({key: now}))
                found |= {name for name in {**old, **new} if old.get(name, ABSENT) != new.get(name, ABSENT)}
    return sorted(found)


def _at(params: Any, key: str) -> Any:
    """What stands at a dotted key."""
    for part in key.split("."):
        params = params.get(part, ABSENT) if isinstance(params, Mapping) else ABSENT
    return params


def _wiring(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the grids' cells differ by."""
    for group in sorted({*a, *b}):
        old, new = a.get(group, {}), b.get(group, {})
        if gone := [key for key in old if key not in new]:
            yield f"{group} without {', '.join(gone)}"
        if come := [key for key in new if key not in old]:
            yield f"{group} with {', '.join(come)}"
        for key in (key for key in old if key in new and old[key] != new[key]):
            before, after = dict(flat(old[key])), dict(flat(new[key]))
            for name in (name for name in {**before, **after} if before.get(name) != after.get(name)):
                yield f"{group} {key}: {name} {before.get(name, ABSENT)} → {after.get(name, ABSENT)}"


def _code(a: Experiment, b: Experiment) -> dict[str, list[str]]:
    """Files by module of the stages that ran other code."""
    old, new = _code_digests(a), _code_digests(b)
    found: dict[str, list[str]] = {}
    for module in sorted(m for m in old.keys() & new.keys() if old[m] != new[m]):
        files = [one.json(f"{_CODE}{module}.json") or {} for one in (a, b)]
        both = [name for name in {**files[0], **files[1]} if files[0].get(name) != files[1].get(name)]
        found[module] = sorted(both) if all(files) else []
    return found


def _code_digests(one: Experiment) -> dict[str, frozenset[tuple[str, str]]]:
    """What the stages of each module depended on as code when they ran."""
    found: dict[str, set[tuple[str, str]]] = {}
    for name, stage in one.stages.items():
        read = {
            (d["path"], d["md5"]) for d in stage.get("deps", ()) if d["path"].startswith((_CODE, "pipeline_steps/"))
        }
        for path, digest in read:
            module = path.removeprefix(_CODE).removesuffix(".json") if path.startswith(_CODE) else name.split("@")[0]
            found.setdefault(module, set()).add((path, digest))
    return {module: frozenset(read) for module, read in found.items()}

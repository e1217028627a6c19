"""A profile of one's own photographs: a few lines over ``config/base.yaml``, or over another profile's."""

import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pipeline_steps.adopting.images import Images
from pipeline_steps.adopting.study import Study
from pipeline_steps.configuration.profiles import DEFAULT, PROFILES, library, names, source
from pipeline_steps.records.populations import SKIN_TYPE, noun
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.mistakes import did_you_mean
from pipeline_steps.stage.outputs import atomic_file

TABLES = Path("adopted")  # which git ignores: what tables say of people is no part of the project
_WIDTH = 118  # of a line
_OWN_TABLE = {
    "file": "{file}",
    "image_id": "image_id",
    "condition": "label",
    "skin_type": "skin_type",
    "patient_id": "patient_id",
    "lesion_id": "lesion_id",
}


class Files(NamedTuple):
    """The profile, and the table that goes with it (None: the original is read)."""

    profile: Path
    table: Path | None


def places(name: str, *, replace: bool) -> Files:
    """Where profile ``name`` and its table go.

    Raises:
        DataError: the name is none, or taken.
    """
    if name == DEFAULT or not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise DataError(f"{name!r} can't be a profile's name: give letters, digits and underscores by --name")
    files = Files(PROFILES / f"{name}.yaml", TABLES / f"{name}.csv")
    if there := [str(file) for file in files if file and file.exists() and not replace]:
        raise DataError(f"{' and '.join(there)} is there already: give another --name, or --replace to write it anew")
    return files


def write(files: Files, images: Images, study: Study, *, root: Path, assigner: str, like: str, head: str) -> Files:
    """Write the profile, and a table of its own where the original can't be read by ``ingest``; what was written."""
    table = None
    mapped = images.mapped
    if mapped is None:
        table = files.table
        assert table is not None
        mapped = {"csv": table.as_posix(), "images": root.as_posix(), "masks": root.as_posix(), **_OWN_TABLE}
        mapped["mask"] = "{mask}" if (images.rows["mask"] != "").any() else ""
        mapped["attributes"] = images.attributes
        with atomic_file(table) as temporary:
            images.rows.drop(columns="there").to_csv(temporary, index=False)
    text = profile_text({**mapped, "skin_assigner": assigner}, study, like, head)
    with atomic_file(files.profile) as temporary:
        temporary.write_text(text, "utf-8")
    return Files(files.profile, table)


def profile_text(mapped: Mapping[str, object], study: Study, like: str, head: str) -> str:
    """The overlay; ``like``: a profile whose settings it takes, or nothing."""
    held = _overlay(like) if like else CommentedMap()
    held["ingest"] = {**_plain(held.get("ingest"), ("image_size", "resize", "max_pixels")), "adapter": "folder"}
    held["ingest"]["sources"] = {"folder": _flow(_differing(mapped))}
    held["population"] = _population(study)
    held["subset"] = _flow({**_plain(held.get("subset"), ("policy",)), "conditions": list(study.conditions)})
    split = _plain(held.get("split"), ("sampler", "validation_fraction"))
    held["split"] = _flow(_asked(like) | split | {"flexible_per_condition": study.flexible})
    if study.column != SKIN_TYPE or not {"1", "2"} & {*study.majority}:
        tokens = held.setdefault("inversions", {}).setdefault("tokens", {})
        tokens["levels"] = _flow([])
        tokens["templates"] = _flow(["A photo of {token}", "A close-up of {token} on skin"])
    yaml, stream = YAML(), StringIO()
    yaml.width, yaml.default_flow_style = 4096, False
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(dict(held), stream)
    return "".join(f"# {line}\n" for line in head.splitlines()) + "".join(map(_wrapped, stream.getvalue().splitlines()))


def _wrapped(line: str) -> str:
    """A long line in several, each ended at a comma, as YAML allows within brackets."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    lines = [""]
    for part in re.split(r"(?<=,) ", line):
        if lines[-1] and len(lines[-1]) + len(part) > _WIDTH:
            lines.append(indent + part)
        else:
            lines[-1] += (" " if lines[-1] else "") + part
    return "\n".join(lines) + "\n"


def _asked(like: str) -> dict[str, Any]:
    """The scenarios and draws of a profile's grid: one's own photographs may be too few for others."""
    blocks = library(like or DEFAULT, any_environment=True).params["grid"].values()
    asked = {key: [value for block in blocks for value in block[key]] for key in ("scenarios", "draws")}
    return {key: [v for i, v in enumerate(values) if v not in values[:i]] for key, values in asked.items()}


def _overlay(like: str) -> CommentedMap:
    if like == DEFAULT:
        return CommentedMap()
    if like not in names():
        raise DataError(f"--like {like}: there is no such profile{did_you_mean(like, names())}")
    text = (PROFILES / f"{like}.yaml").read_text("utf-8")
    body = text[re.match(r"(?:#[^\n]*\n)*", text).end() :]  # type: ignore[union-attr]
    return YAML().load(body) or CommentedMap()


def _plain(section: object, kept: tuple[str, ...]) -> dict[str, Any]:
    """What of another profile's section has to do with scale, and not with its data."""
    return {k: v for k, v in section.items() if k in kept} if isinstance(section, dict) else {}


def _differing(mapped: Mapping[str, object]) -> dict[str, object]:
    base = source(DEFAULT)["ingest"]["sources"]["folder"]
    return {key: value for key, value in mapped.items() if value != base[key]}


def _population(study: Study) -> Any:
    ends = {"majority": _levels(study, study.majority), "minority": _levels(study, study.minority)}
    if study.column == SKIN_TYPE:
        return _flow(ends)
    articles = {level: f"{'an' if level[0] in 'aeiou' else 'a'} {level}" for level in study.levels}
    words = {"person": _flow(articles), "skin": _flow({level: level for level in study.levels})}
    return {"column": study.column, "levels": _flow(list(study.levels)), **_inner(ends), "check": None, "words": words}


def _inner(ends: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {key: _flow(levels) for key, levels in ends.items()}


def _levels(study: Study, levels: tuple[str, ...]) -> list[Any]:
    return [int(level) for level in levels] if study.column == SKIN_TYPE else list(levels)


def _flow(node: Any) -> Any:
    """A node on one line, as far as it fits."""
    if isinstance(node, dict):
        made = CommentedMap({k: _flow(v) for k, v in node.items()})
        made.fa.set_flow_style()
        return made
    if isinstance(node, list):
        listed = CommentedSeq([_flow(v) for v in node])
        listed.fa.set_flow_style()
        return listed
    return node


def title(study: Study) -> str:
    """What a study compares, in words."""
    return f"{len(study.conditions)} conditions by {noun(study.column)}"

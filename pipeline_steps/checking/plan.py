"""What a probe runs: the profile's own stages by their own commands, a few steps each, on phantom images.

Time depends on the sizes of images, batches and models, and not on what is shown: so the profile keeps all of these,
and gets a small rendered data set in place of its own.
"""

import copy
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_steps.configuration.cells import Cells

SPLIT = "iii-0"
_STEPS, _UPDATES, _COPIES = 5, 10, 2  # of optimisers, of classifiers, of each source in a batch
_DENOISED = 4  # steps of denoising at most
_SOURCES = 16
_PHANTOM = {"seed": 7, "scale": 0.001, "minimum": 6, "holdout_per_cell": 0}
_LONG = 10**6
_REAL = {"arm": "real", "augmenter": "", "synthetic": "models/none", "screened": "models/none"}
_READS = {
    "cells.ingest.reads.table": "pipeline_steps/datasets/phantom",
    **dict.fromkeys((f"cells.ingest.reads.{kind}" for kind in ("images", "masks", "annotations")), "models/none"),
}


class Task(NamedTuple):
    """A stage to run: its command, parameters to set before (by dotted place), and units of work.

    ``kinds`` of work that cost the same: it stands for all. ``factor``: what a unit's time is to be multiplied by,
    where it was made shorter than the profile's.
    """

    kinds: list[str]
    module: str
    arguments: list[str]
    set: dict[str, Any]
    units: int
    factor: float = 1.0
    out: str = ""


def parameters(params: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The profile's parameters with phantom images of a few conditions, and the population that those have."""
    made = copy.deepcopy(dict(params))
    made["ingest"] = {**made["ingest"], "adapter": "phantom", "without_images": False}
    made["ingest"]["sources"] = {**made["ingest"]["sources"], "phantom": _PHANTOM}
    made["population"] = copy.deepcopy(base["population"])
    made["subset"] = {"conditions": base["subset"]["conditions"][:3], "policy": "clean"}
    split = {"scenarios": ["iii"], "draws": [0], "flexible_per_condition": 2, "validation_fraction": 0.15}
    made["split"] = {**made["split"], **split, "leakage": "exclude"}
    for captioner in made["captioners"].values():
        if not isinstance(captioner["level_words"], str):
            captioner["level_words"] = "person"
    for entry in made["inversions"].values():
        entry["levels"] = []
    for entry in made["augmenters"].values():
        entry["target_levels"] = "minority"
    made["arms"] = {**copy.deepcopy(dict(base["arms"])), **made["arms"]}
    made["screen"] = {**made["screen"], "reject": ["blank"]}
    return _replaced(made, places(params))


def places(params: Mapping[str, Any]) -> dict[str, str]:
    """Whole paths of models that lie elsewhere than in ``models``: a probe works in another folder."""
    entries = [*params["base_models"].values(), *params["captioners"].values(), params["features"]]
    named = {str(entry["location"]) for entry in entries if entry.get("location")}
    return {n: str(Path(n).resolve()) for n in named if not n.startswith("models/") and Path(n).is_dir()}


def _replaced(node: Any, said: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _replaced(value, said) for key, value in node.items()}
    return said.get(node, node) if isinstance(node, str) else node


def tasks(params: Mapping[str, Any], cells: Cells, stages: Mapping[str, Any]) -> Iterator[Task]:
    """All that is run, in order; of kinds of work that cost the same, one."""
    for name in ("ingest", "audit", "select_subset", "split"):
        yield _task([name], stages, {}, {}, 1)
    for name, cell in cells["caption"].items():
        yield _task([f"caption {name}"], stages, {**cell, "key": name}, {}, 1)
    yield from _classifiers(cells, stages)
    yield from _trainings(cells, stages)
    yield from _generations(params, cells, stages)


def _classifiers(cells: Cells, stages: Mapping[str, Any]) -> Iterator[Task]:
    """A classifier of each architecture, and a segmenter, on real images."""
    for architecture in sorted({c["architecture"] for c in cells["train_classifier"].values()}):
        cell = _first(cells["train_classifier"], "architecture", architecture) | _REAL
        cell["key"] = f"real-{architecture}"
        changed = {"classifier.updates": _UPDATES, "classifier.validate_every": _UPDATES}
        yield _task([f"train_classifier {architecture}"], stages, cell, changed, _UPDATES)
        yield _task([f"evaluate {architecture}"], stages, cell, {}, 1)
    if cells["train_segmenter"]:
        cell = {"arm": "real", "split": SPLIT, "key": "real", **_REAL}
        changed = {"segmenter.updates": _UPDATES, "segmenter.validate_every": _UPDATES}
        yield _task(["train_segmenter"], stages, cell, changed, _UPDATES)


def _trainings(cells: Cells, stages: Mapping[str, Any]) -> Iterator[Task]:
    for stage, section, entry in (("invert_tokens", "inversions", "inversion"), ("finetune", "adapters", "adapter")):
        for name in sorted({c[entry] for c in cells[stage].values()}):
            own = f"{section}.{name}"
            calm: dict[str, Any] = {f"{own}.training.{key}": _LONG for key in ("validate_every", "checkpoint_every")}
            calm |= {f"{own}.training.warmup_steps": 0, f"{own}.training.steps": _STEPS}
            if stage == "finetune":
                calm |= {f"{own}.preview_every": 0, f"{own}.prior": None, f"{own}.joint": True}
            cell = {**_first(cells[stage], entry, name), "key": f"{name}-{SPLIT}"}
            yield _task([f"{stage} {name}"], stages, cell, calm, _STEPS)


def _generations(params: Mapping[str, Any], cells: Cells, stages: Mapping[str, Any]) -> Iterator[Task]:
    scored = {key.rpartition(f"-{cell['split']}")[0] for key, cell in cells["screen"].items()}
    alike: dict[str, list[str]] = {}
    for name in sorted({c["augmenter"] for c in cells["generate"].values()}, key=lambda name: name not in scored):
        alike.setdefault(_signature(params["augmenters"][name]), []).append(name)
    for names in alike.values():
        a, own = params["augmenters"][names[0]], f"augmenters.{names[0]}"
        if a["mode"] == "remote_edit":  # a probe asks nobody
            continue
        cell = {**_first(cells["generate"], "augmenter", names[0]), "key": f"{names[0]}-{SPLIT}"}
        batch, whole = min(a.get("batch_size", _SOURCES), _SOURCES), a.get("num_inference_steps", 1)
        changed = {f"{own}.max_sources": batch, f"{own}.images_per_source": _COPIES}
        changed |= {f"{own}.num_inference_steps": min(whole, _DENOISED)} if "num_inference_steps" in a else {}
        factor = whole / min(whole, _DENOISED)
        yield _task([f"generate {n}" for n in names], stages, cell, changed, batch * _COPIES, factor)
        for stage in ("screen", "score_fid"):
            if shown := [n for n in names if n in scored]:
                yield _task([f"{stage} {n}" for n in shown], stages, cell, {}, batch * _COPIES)


def _signature(a: Mapping[str, Any]) -> str:
    """What the cost of an image depends on."""
    keys = ("mode", "base", "batch_size", "num_inference_steps", "strength", "guidance_interval", "passes", "region")
    return repr([a.get(key) for key in keys])


def _first(cells: Mapping[str, dict[str, Any]], key: str, name: str) -> dict[str, Any]:
    """The first cell with that entry, on the probe's split."""
    cell = next(c for c in cells.values() if c[key] == name)
    end = re.compile(rf"-{re.escape(cell['split'])}(?=$|\.)")
    return {k: end.sub(f"-{SPLIT}", v) if isinstance(v, str) else v for k, v in cell.items()} | {"split": SPLIT}


def _task(
    kinds: list[str],
    stages: Mapping[str, Any],
    cell: Mapping[str, Any],
    changed: dict[str, Any],
    units: int,
    factor: float = 1.0,
) -> Task:
    """The command in ``dvc.yaml`` of the stage that each of ``kinds`` begins with, for one cell."""
    entry = stages[kinds[0].partition(" ")[0]]
    values = {"key": cell.get("key", ""), **{f"item.{k}": v for k, v in cell.items()}, **_READS}
    command = str(entry.get("do", entry)["cmd"])
    words = shlex.split(re.sub(r"\$\{([\w.]+)\}", lambda found: str(values.get(found[1], found[0])), command))
    at = words.index("-m")
    out = words[words.index("--out") + 1] if "--out" in words else ""
    return Task(kinds, words[at + 1], words[at + 2 :], changed, units, factor, out)

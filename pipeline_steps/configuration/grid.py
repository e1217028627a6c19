"""Expand ``grid`` of params.yaml into cells: pure data that dvc.yaml walks with ``foreach``.

DVC can't look a cell's base model up through another parameter, and a full cartesian product would train ``real``
once for every augmenter; so the grid becomes readable keys, each with exactly the inputs it needs. A cell that needs
no tokens, adapter, captions or base model names ``models/none``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from pipeline_steps.checkpoints.locations import HubModel, locate, pretrained_id, watched
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.parameters.grid import Block
from pipeline_steps.parameters.inversions import check_inversion
from pipeline_steps.stage.mistakes import did_you_mean, in_words
from pipeline_steps.stage.params import ParamsError
from pipeline_steps.stage.wiring import NOTHING, SYNTHETIC

NOT_DEFINED = "which is not defined"
NO_MODEL = "none"  # in base_models: what an augmenter without a model depends on
_GPU_BACKENDS = ("local",)  # of captioners: a template, annotations and an endpoint compute nothing here
STAGES = (
    "pin_model",
    "caption",
    "invert_tokens",
    "finetune",
    "generate",
    "screen",
    "train_classifier",
    "train_segmenter",
    "score_masks",
)
Cells = dict[str, dict[str, dict[str, Any]]]


def expand(params: dict[str, Any]) -> Cells:
    """All cells by stage and key.

    Raises:
        ParamsError: the grid names something that params.yaml does not define, or a method wants tokens of a base model
            that can't learn any; a line for each mistake.
    """
    cells, wrong = partly_expanded(params)
    if wrong:
        raise ParamsError("\n".join(wrong))
    return cells


def partly_expanded(params: dict[str, Any]) -> tuple[Cells, list[str]]:
    """The cells that can be made of ``params``, and a line for each mistake that prevents others."""
    cells: Cells = {stage: {} for stage in STAGES}
    wrong: dict[str, None] = {}
    try:
        cells["ingest"] = {"reads": IngestParams.model_validate(params["ingest"]).reads()}
    except ValidationError as error:
        wrong |= dict.fromkeys(in_words(error, IngestParams, params["ingest"], "ingest"))
    for name, raw in params["grid"].items():
        try:
            block = Block.model_validate(raw)
        except ValidationError as error:
            wrong |= dict.fromkeys(in_words(error, Block, raw, f"grid.{name}"))
            continue
        for scenario in block.scenarios:
            for draw in block.draws:
                with _noting(wrong):
                    _require(params["split"], name, scenario, draw)
                _add_block(cells, params, (name, block), f"{scenario}-{draw}", wrong)
    return cells, list(wrong)


def _add_block(
    cells: Cells, params: dict[str, Any], named: tuple[str, Block], split: str, wrong: dict[str, None]
) -> None:
    """All cells of one block on one split; what can't be made of it goes into ``wrong``."""
    name, block = named
    for augmenter in block.made_by:
        with _noting(wrong):
            _add_augmenter(cells, params, (f"grid.{name}.augmenters", augmenter), split)
        if block.architectures or block.segmenters:
            cells["screen"][f"{augmenter}-{split}"] = {"split": split}
    with _noting(wrong):
        _add_classifiers(cells, params, named, split)
    with _noting(wrong):
        _add_segmenters(cells, params, named, split)


@contextmanager
def _noting(wrong: dict[str, None]) -> Iterator[None]:
    try:
        yield
    except ParamsError as error:
        wrong[str(error)] = None


def _require(split: dict[str, Any], block: str, scenario: str, draw: int) -> None:
    for key, value in (("scenarios", scenario), ("draws", draw)):
        if value not in split[key]:
            meant = did_you_mean(value, split[key]) or f"; there is {', '.join(map(str, split[key]))}"
            raise ParamsError(f"grid.{block}.{key} names {value!r}, which split.{key} does not make{meant}")


def _entry(params: dict[str, Any], section: str, name: str, by: str) -> dict[str, Any]:
    """``section.name``, which the parameter ``by`` names."""
    known = params[section]
    if name not in known:
        meant = did_you_mean(name, known) or f"; there is {', '.join(known)}"
        raise ParamsError(f"{by} names {section}.{name}, {NOT_DEFINED}{meant}")
    entry: dict[str, Any] = known[name]
    return entry


def _add_augmenter(cells: Cells, params: dict[str, Any], named: tuple[str, str], split: str) -> None:
    by, augmenter = named
    own = f"augmenters.{augmenter}"
    without = {"base": NO_MODEL, "captioner": None, "inversion": None, "adapter": None}
    a = without | _entry(params, "augmenters", augmenter, by)
    if a["inversion"] is not None:
        _check_tokens(params, a["base"], own)
    cells["generate"][f"{augmenter}-{split}"] = {
        "augmenter": augmenter,
        "split": split,
        "base": a["base"],
        "gpus": int(a["base"] != NO_MODEL),  # neither recolouring nor an endpoint computes on one
        "weights": _location(cells, params, a["base"], own),
        "captions": _add_captions(cells, params, a["captioner"], own),
        "tokens": _add_tokens(cells, params, a["inversion"], split, own),
        "adapter": _add_adapter(cells, params, a["adapter"], split, own),
    }


def _add_captions(cells: Cells, params: dict[str, Any], captioner: str | None, by: str) -> str:
    if captioner is None:
        return NOTHING
    entry = _entry(params, "captioners", captioner, f"{by}.captioner")
    cells["caption"][captioner] = {
        "captioner": captioner,
        "gpus": int(entry["backend"] in _GPU_BACKENDS),
        "tokenizer": _watched(cells, entry.get("tokenizer", {}), f"captioners.{captioner}.tokenizer"),
        "weights": _watched(cells, entry, f"captioners.{captioner}"),
    }
    return f"data/captions/{captioner}"


def _add_tokens(cells: Cells, params: dict[str, Any], inversion: str | None, split: str, by: str) -> str:
    if inversion is None:
        return NOTHING
    i = _entry(params, "inversions", inversion, f"{by}.inversion")
    own = f"inversions.{inversion}"
    _check_tokens(params, i["base"], own)
    key = f"{inversion}-{split}"
    cells["invert_tokens"][key] = {
        "inversion": inversion,
        "split": split,
        "base": i["base"],
        "weights": _location(cells, params, i["base"], own),
    }
    return f"models/tokens/{key}"


def _add_adapter(cells: Cells, params: dict[str, Any], adapter: str | None, split: str, by: str) -> str:
    if adapter is None:
        return NOTHING
    a = _entry(params, "adapters", adapter, f"{by}.adapter")
    own = f"adapters.{adapter}"
    if a["inversion"] is not None:
        _check_tokens(params, a["base"], own)
    key = f"{adapter}-{split}"
    cells["finetune"][key] = {
        "adapter": adapter,
        "split": split,
        "base": a["base"],
        "weights": _location(cells, params, a["base"], own),
        "captions": _add_captions(cells, params, a["captioner"], own),
        "tokens": _add_tokens(cells, params, a["inversion"], split, own),
    }
    return f"models/adapters/{key}"


def _check_tokens(params: dict[str, Any], base: str, entry: str) -> None:
    if base != NO_MODEL:
        check_inversion(_entry(params, "base_models", base, f"{entry}.base")["family"], entry)


def _location(cells: Cells, params: dict[str, Any], base: str, by: str) -> str:
    if base == NO_MODEL:
        return NOTHING
    return _watched(cells, _entry(params, "base_models", base, f"{by}.base"), f"base_models.{base}")


def _watched(cells: Cells, entry: dict[str, Any], own: str) -> str:
    """What DVC watches of a model: its folder, or the pin of its hub id, which a cell of its own makes.

    A hub id with a commit is pinned by that parameter; what has no location needs no model.
    """
    if "location" not in entry:
        return NOTHING
    try:
        place = locate(str(entry["location"]), entry.get("revision"))
    except ParamsError as error:
        raise ParamsError(f"{own}.location: {error}") from None
    if isinstance(place, HubModel) and not place.is_exact:
        cells["pin_model"][place.key] = {"model": place.id, "revision": place.revision}
    return watched(str(entry["location"]), entry.get("revision")) or NOTHING


def _pretrained(cells: Cells, params: dict[str, Any], architecture: str) -> str:
    hub_id = pretrained_id(architecture) if params["classifier"]["pretrained"] else None
    return _watched(cells, {"location": hub_id}, "classifier.pretrained") if hub_id else NOTHING


def _add_classifiers(cells: Cells, params: dict[str, Any], named: tuple[str, Block], split: str) -> None:
    block = named[1]
    for architecture in block.architectures:
        for arm, augmenter in _arms(params, named, "arms"):
            key = "-".join(p for p in (arm, augmenter, architecture, split) if p)
            cell = {"arm": arm, "architecture": architecture, "split": split, "augmenter": augmenter}
            cell["weights"] = _pretrained(cells, params, architecture)
            cells["train_classifier"][key] = cell | _images_of(augmenter, split)


def _add_segmenters(cells: Cells, params: dict[str, Any], named: tuple[str, Block], split: str) -> None:
    block = named[1]
    for arm, augmenter in _arms(params, named, "segmenters"):
        key = "-".join(p for p in (arm, augmenter, split) if p)
        cells["train_segmenter"][key] = {"arm": arm, "split": split, "augmenter": augmenter} | _images_of(
            augmenter, split
        )
    if "real" in block.segmenters:
        for augmenter in block.made_by:
            cells["score_masks"][f"{augmenter}-{split}"] = {"split": split}


def _arms(params: dict[str, Any], named: tuple[str, Block], key: str) -> list[tuple[str, str]]:
    """Each arm of a block's list with the augmenters that it needs one by one, or with ``""``."""
    name, block = named
    arms: tuple[str, ...] = getattr(block, key)
    needs = {arm: _entry(params, "arms", arm, f"grid.{name}.{key}")["images"] in SYNTHETIC for arm in arms}
    return [(arm, augmenter) for arm in arms for augmenter in (block.made_by if needs[arm] else ("",))]


def _images_of(augmenter: str, split: str) -> dict[str, str]:
    if not augmenter:
        return {"synthetic": NOTHING, "screened": NOTHING}
    made = f"{augmenter}-{split}"
    return {"synthetic": f"data/synthetic/{made}", "screened": f"data/screened/{made}.parquet"}

"""Expand ``grid`` of params.yaml into cells: pure data that dvc.yaml walks with ``foreach``.

DVC can't look a cell's base model up through another parameter, and a full cartesian product would train ``real``
once for every augmenter; so the grid becomes readable keys, each with exactly the inputs it needs. A cell that needs
no tokens, adapter, captions or base model names ``models/none``.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from pydantic import ValidationError

from pipeline_steps.captions.backends.backend import Backend
from pipeline_steps.captions.backends.table import BACKENDS
from pipeline_steps.configuration.cells import (
    NO_MODEL,
    STAGES,
    Cells,
    base_weights,
    entry_of,
    pretrained_weights,
    watched_model,
)
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.generation.modes.mode import Mode
from pipeline_steps.generation.modes.table import MODES
from pipeline_steps.parameters.grid import Block
from pipeline_steps.parameters.inversions import check_inversion
from pipeline_steps.parameters.scenarios import NamedScenario
from pipeline_steps.stage.mistakes import did_you_mean, in_words
from pipeline_steps.stage.params import ParamsError
from pipeline_steps.stage.wiring import NOTHING, SYNTHETIC


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
                    _require(params["split"], name, scenario.name, draw)
                _add_block(cells, params, (name, block), f"{scenario.name}-{draw}", wrong)
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
    scenarios = list(_scenario_names(split["scenarios"]))
    for key, value, made in (("scenarios", scenario, scenarios), ("draws", draw, split["draws"])):
        if value not in made:
            meant = did_you_mean(value, made) or f"; there is {', '.join(map(str, made))}"
            raise ParamsError(f"grid.{block}.{key} names {value!r}, which split.{key} does not make{meant}")


def _scenario_names(scenarios: Iterable[Any]) -> Iterator[str]:
    for scenario in scenarios:
        with suppress(ValidationError):  # it is named as a mistake of its section
            yield NamedScenario.model_validate(scenario).name


def _add_augmenter(cells: Cells, params: dict[str, Any], named: tuple[str, str], split: str) -> None:
    by, augmenter = named
    own = f"augmenters.{augmenter}"
    without = {"base": NO_MODEL, "captioner": None, "inversion": None, "adapter": None}
    a = without | entry_of(params, "augmenters", augmenter, by)
    if a["inversion"] is not None:
        _check_tokens(params, a["base"], own)
    cells["generate"][f"{augmenter}-{split}"] = {
        "augmenter": augmenter,
        "split": split,
        "base": a["base"],
        "gpus": _gpus(MODES, a["mode"]),
        "weights": base_weights(cells, params, a["base"], own),
        "captions": _add_captions(cells, params, a["captioner"], own),
        "tokens": _add_tokens(cells, params, a["inversion"], split, own),
        "adapter": _add_adapter(cells, params, a["adapter"], split, own),
    }


def _gpus(rows: Mapping[str, Mode | Backend], name: str) -> int:
    """How many GPUs a mode or backend uses; one that is unknown is named as a mistake of its section."""
    return int(name in rows and rows[name].uses_device)


def _add_captions(cells: Cells, params: dict[str, Any], captioner: str | None, by: str) -> str:
    if captioner is None:
        return NOTHING
    entry = entry_of(params, "captioners", captioner, f"{by}.captioner")
    cells["caption"][captioner] = {
        "captioner": captioner,
        "gpus": _gpus(BACKENDS, entry["backend"]),
        "tokenizer": watched_model(cells, entry.get("tokenizer", {}), f"captioners.{captioner}.tokenizer"),
        "weights": watched_model(cells, entry, f"captioners.{captioner}"),
    }
    return f"data/captions/{captioner}"


def _add_tokens(cells: Cells, params: dict[str, Any], inversion: str | None, split: str, by: str) -> str:
    if inversion is None:
        return NOTHING
    i = entry_of(params, "inversions", inversion, f"{by}.inversion")
    own = f"inversions.{inversion}"
    _check_tokens(params, i["base"], own)
    key = f"{inversion}-{split}"
    cells["invert_tokens"][key] = {
        "inversion": inversion,
        "split": split,
        "base": i["base"],
        "weights": base_weights(cells, params, i["base"], own),
    }
    return f"models/tokens/{key}"


def _add_adapter(cells: Cells, params: dict[str, Any], adapter: str | None, split: str, by: str) -> str:
    if adapter is None:
        return NOTHING
    a = entry_of(params, "adapters", adapter, f"{by}.adapter")
    own = f"adapters.{adapter}"
    if a["inversion"] is not None:
        _check_tokens(params, a["base"], own)
    key = f"{adapter}-{split}"
    cells["finetune"][key] = {
        "adapter": adapter,
        "split": split,
        "base": a["base"],
        "weights": base_weights(cells, params, a["base"], own),
        "captions": _add_captions(cells, params, a["captioner"], own),
        "tokens": _add_tokens(cells, params, a["inversion"], split, own),
    }
    return f"models/adapters/{key}"


def _check_tokens(params: dict[str, Any], base: str, entry: str) -> None:
    if base != NO_MODEL:
        check_inversion(entry_of(params, "base_models", base, f"{entry}.base")["family"], entry)


def _add_classifiers(cells: Cells, params: dict[str, Any], named: tuple[str, Block], split: str) -> None:
    block = named[1]
    for architecture in block.architectures:
        for arm, augmenter in _arms(params, named, "arms"):
            key = "-".join(p for p in (arm, augmenter, architecture, split) if p)
            cell = {"arm": arm, "architecture": architecture, "split": split, "augmenter": augmenter}
            cell["weights"] = pretrained_weights(cells, params, architecture)
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
    needs = {arm: entry_of(params, "arms", arm, f"grid.{name}.{key}")["images"] in SYNTHETIC for arm in arms}
    return [(arm, augmenter) for arm in arms for augmenter in (block.made_by if needs[arm] else ("",))]


def _images_of(augmenter: str, split: str) -> dict[str, str]:
    if not augmenter:
        return {"synthetic": NOTHING, "screened": NOTHING}
    made = f"{augmenter}-{split}"
    return {"synthetic": f"data/synthetic/{made}", "screened": f"data/screened/{made}.parquet"}

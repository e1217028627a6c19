"""Expand ``grid`` of params.yaml into ``cells.yaml``: pure data that dvc.yaml walks with ``foreach``.

DVC can't look a cell's base model up through another parameter, and a full cartesian product would train ``real``
once for every augmenter; so the grid becomes readable keys, each with exactly the inputs it needs. A cell that needs
no tokens, adapter, captions or base model names ``models/none``. Run again after changing the grid (the flow does it
itself).
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline_steps.diffusion.inverted import check_inversion
from pipeline_steps.stage.outputs import whole_file
from pipeline_steps.stage.params import PARAMS_FILE, Params, ParamsError, read_yaml

CELLS_FILE = Path("cells.yaml")
NOTHING = "models/none"
NO_MODEL = "none"  # in base_models: what an augmenter without a model depends on
_SYNTHETIC = ("syn", "real_syn")  # mixtures that need an augmenter's images
_GPU_BACKENDS = ("local",)  # of captioners: a template, annotations and an endpoint compute nothing here
_OUTPUTS = {
    "caption": ("data/captions/{}", "metrics/captions/{}.json"),
    "invert_tokens": ("models/tokens/{}",),
    "finetune": ("models/adapters/{}",),
    "generate": ("data/synthetic/{}",),
    "screen": ("data/screened/{}.parquet", "metrics/screen/{}.json"),
    "score_fid": ("metrics/fid/{}.json",),
    "train_classifier": ("models/classifier/{}",),
    "evaluate": ("data/predictions/{}.parquet", "metrics/classification/{}.json"),
    "train_segmenter": ("models/segmenter/{}",),
    "evaluate_segmenter": ("data/overlaps/{}.parquet", "metrics/segmentation/{}.json"),
    "judge_masks": ("metrics/masks/{}.json",),
}
_SAME_CELLS = {"score_fid": "screen", "evaluate": "train_classifier", "evaluate_segmenter": "train_segmenter"}


class Block(Params):
    """One block of the grid: the product of its lists; ``segmenters`` are the arms that segmenters are trained on.

    Neither architectures nor segmenters: images are made to look at, nothing more.
    """

    scenarios: tuple[str, ...]
    draws: tuple[int, ...]
    augmenters: tuple[str, ...]
    architectures: tuple[str, ...]
    arms: tuple[str, ...]
    segmenters: tuple[str, ...]


Cells = dict[str, dict[str, dict[str, Any]]]


def expand(params: dict[str, Any]) -> Cells:
    """All cells by stage and key.

    Raises:
        ParamsError: the grid names something that params.yaml does not define, or a method wants tokens of a base model
            that can't learn any.
    """
    cells: Cells = {stage: {} for stage in _OUTPUTS if stage not in _SAME_CELLS}
    for name, raw in params["grid"].items():
        block = Block.model_validate(raw)
        for scenario in block.scenarios:
            for draw in block.draws:
                split = f"{scenario}-{draw}"
                _require(params["split"], name, scenario, draw)
                for augmenter in block.augmenters:
                    _add_augmenter(cells, params, augmenter, split)
                    if block.architectures or block.segmenters:
                        cells["screen"][f"{augmenter}-{split}"] = {"split": split}
                _add_classifiers(cells, params, block, split)
                _add_segmenters(cells, params, block, split)
    return cells


def _require(split: dict[str, Any], block: str, scenario: str, draw: int) -> None:
    if scenario not in split["scenarios"] or draw not in split["draws"]:
        raise ParamsError(f"grid.{block} uses scenario {scenario!r}, draw {draw}, which split does not make")


def _entry(params: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    if name not in params[section]:
        raise ParamsError(f"{section}.{name} is named but not defined; there is {', '.join(params[section])}")
    entry: dict[str, Any] = params[section][name]
    return entry


def _add_augmenter(cells: Cells, params: dict[str, Any], augmenter: str, split: str) -> None:
    without = {"base": NO_MODEL, "captioner": None, "inversion": None, "adapter": None}
    a = without | _entry(params, "augmenters", augmenter)
    if a["inversion"] is not None:
        _check_tokens(params, a["base"], f"augmenters.{augmenter}")
    cells["generate"][f"{augmenter}-{split}"] = {
        "augmenter": augmenter,
        "split": split,
        "base": a["base"],
        "gpus": int(a["base"] != NO_MODEL),  # neither recolouring nor an endpoint computes on one
        "weights": _location(params, a["base"]),
        "captions": _add_captions(cells, params, a["captioner"]),
        "tokens": _add_tokens(cells, params, a["inversion"], split),
        "adapter": _add_adapter(cells, params, a["adapter"], split),
    }


def _add_captions(cells: Cells, params: dict[str, Any], captioner: str | None) -> str:
    if captioner is None:
        return NOTHING
    entry = _entry(params, "captioners", captioner)
    cells["caption"][captioner] = {
        "captioner": captioner,
        "gpus": int(entry["backend"] in _GPU_BACKENDS),
        "tokenizer": _local(entry.get("tokenizer", {}).get("location", "")),
        "weights": _local(entry.get("location", "")),
    }
    return f"data/captions/{captioner}"


def _add_tokens(cells: Cells, params: dict[str, Any], inversion: str | None, split: str) -> str:
    if inversion is None:
        return NOTHING
    i = _entry(params, "inversions", inversion)
    _check_tokens(params, i["base"], f"inversions.{inversion}")
    key = f"{inversion}-{split}"
    cells["invert_tokens"][key] = {
        "inversion": inversion,
        "split": split,
        "base": i["base"],
        "weights": _location(params, i["base"]),
    }
    return f"models/tokens/{key}"


def _add_adapter(cells: Cells, params: dict[str, Any], adapter: str | None, split: str) -> str:
    if adapter is None:
        return NOTHING
    a = _entry(params, "adapters", adapter)
    if a["inversion"] is not None:
        _check_tokens(params, a["base"], f"adapters.{adapter}")
    key = f"{adapter}-{split}"
    cells["finetune"][key] = {
        "adapter": adapter,
        "split": split,
        "base": a["base"],
        "weights": _location(params, a["base"]),
        "captions": _add_captions(cells, params, a["captioner"]),
        "tokens": _add_tokens(cells, params, a["inversion"], split),
    }
    return f"models/adapters/{key}"


def _check_tokens(params: dict[str, Any], base: str, entry: str) -> None:
    if base != NO_MODEL:
        check_inversion(_entry(params, "base_models", base)["family"], entry)


def _location(params: dict[str, Any], base: str) -> str:
    """The base model's folder as a DVC dependency; a hub id is pinned by its revision parameter instead."""
    if base == NO_MODEL:
        return NOTHING
    return _local(str(_entry(params, "base_models", base)["location"]))


def _local(location: str) -> str:
    return location if location.startswith((".", "/", "models/")) else NOTHING


def _add_classifiers(cells: Cells, params: dict[str, Any], block: Block, split: str) -> None:
    for architecture in block.architectures:
        for arm, augmenter in _arms(params, block, block.arms):
            key = "-".join(p for p in (arm, augmenter, architecture, split) if p)
            named = {"arm": arm, "architecture": architecture, "split": split, "augmenter": augmenter}
            cells["train_classifier"][key] = named | _images_of(augmenter, split)


def _add_segmenters(cells: Cells, params: dict[str, Any], block: Block, split: str) -> None:
    for arm, augmenter in _arms(params, block, block.segmenters):
        key = "-".join(p for p in (arm, augmenter, split) if p)
        cells["train_segmenter"][key] = {"arm": arm, "split": split, "augmenter": augmenter} | _images_of(
            augmenter, split
        )
    if "real" in block.segmenters:
        for augmenter in block.augmenters:
            cells["judge_masks"][f"{augmenter}-{split}"] = {"split": split}


def _arms(params: dict[str, Any], block: Block, arms: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each arm with the augmenters that it needs one by one, or with ``""``."""
    needs = {arm: _entry(params, "arms", arm)["images"] in _SYNTHETIC for arm in arms}
    return [(arm, augmenter) for arm in arms for augmenter in (block.augmenters if needs[arm] else ("",))]


def _images_of(augmenter: str, split: str) -> dict[str, str]:
    if not augmenter:
        return {"synthetic": NOTHING, "screened": NOTHING}
    made = f"{augmenter}-{split}"
    return {"synthetic": f"data/synthetic/{made}", "screened": f"data/screened/{made}.parquet"}


def write_cells(params_file: Path = PARAMS_FILE, out: Path = CELLS_FILE) -> Cells:
    """Write the expanded grid; returns it."""
    cells = expand(read_yaml(params_file))
    yaml = YAML()
    yaml.default_flow_style = False
    with whole_file(out) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write("# Made from grid in params.yaml by: python -m pipeline_steps.cells\n")
        yaml.dump({"cells": cells}, stream)
    return cells


def prune(cells: Cells, lock: Path = Path("dvc.lock")) -> list[str]:
    """Drop cells that left the grid from ``dvc.lock``, and their outputs (DVC's cache keeps them)."""
    if not lock.exists():
        return []
    yaml = YAML()
    try:
        content = yaml.load(lock.read_text("utf-8"))
    except YAMLError:
        return []  # half of one, which a killed dvc left: DVC says so, and the flow mends it
    if not content or not content.get("stages"):
        return []
    gone = [s for s in content["stages"] if "@" in s and s.split("@")[1] not in _keys(cells, s.split("@")[0])]
    for stage in gone:
        verb, key = stage.split("@")
        del content["stages"][stage]
        for pattern in _OUTPUTS[verb]:
            path = Path(pattern.format(key))
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if gone:
        with whole_file(lock) as temporary, temporary.open("w", encoding="utf-8") as stream:
            yaml.dump(content, stream)
    return gone


def _keys(cells: Cells, verb: str) -> dict[str, dict[str, Any]]:
    return cells.get(_SAME_CELLS.get(verb, verb), {})


def main() -> None:
    """Command line; ``--check`` compares without writing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 if cells.yaml does not fit the grid")
    parser.add_argument("--keep", action="store_true", help="leave what belongs to cells that left the grid")
    args = parser.parse_args()
    try:
        if args.check:
            sys.exit(read_yaml(CELLS_FILE)["cells"] != expand(read_yaml(PARAMS_FILE)))
        cells = write_cells()
    except ParamsError as error:
        sys.exit(f"error: {error}")
    gone = [] if args.keep else prune(cells)
    print(", ".join(f"{len(v)} {k}" for k, v in cells.items()) + (f"; pruned {len(gone)} old cells" if gone else ""))


if __name__ == "__main__":
    main()

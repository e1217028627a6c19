"""Which scenarios and methods a data set supports, and why it does not support others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_steps.checking.found import Findings
from pipeline_steps.checkpoints.locations import locate
from pipeline_steps.configuration.cells import NO_MODEL
from pipeline_steps.parameters.scenarios import Scenario
from pipeline_steps.parameters.split import SplitParams
from pipeline_steps.stage.errors import DataError

Splits = dict[tuple[str, int], pd.DataFrame]
_SCENARIOS = ("i", "ii", "iii")
_SHOWN = 150  # letters of a reason


def scenarios(
    table: pd.DataFrame, params: SplitParams, split_all: Callable[[pd.DataFrame, SplitParams], Splits], found: Findings
) -> Splits:
    """Try each scenario as the stage ``split`` would; the splits that the profile asks for."""
    made: Splits = {}
    wanted = {one.name: one for one in params.scenarios}
    others = {name: Scenario.model_validate(name) for name in _SCENARIOS if name not in wanted}
    for name, scenario in (wanted | others).items():
        asked = name in wanted
        try:
            splits = split_all(table, params.model_copy(update={"scenarios": (scenario,)}))
        except DataError as error:
            first, *rest = str(error).splitlines()
            more = f" (and {len(rest)} more)" if rest else ""
            found.say("scenarios", f"{name:<4} no: {_cut(first)}{more}")
            if asked:
                found.stop(f"split: {first}{more}")
            continue
        n = splits[name, params.draws[0]]["partition"].value_counts()
        sizes = ", ".join(f"{p} {int(n.get(p, 0))}" for p in ("train", "validation", "test", "reference", "excluded"))
        found.say("scenarios", f"{name:<4} {'yes' if asked else 'yes, not asked for'}: {sizes}")
        made |= splits if asked else {}
    return made


def methods(
    params: Mapping[str, Any], every: Mapping[str, Any], images: pd.DataFrame, attributes: set[str], found: Findings
) -> None:
    """Which augmenters can be used: those of the grid, and all others of ``every``, as sorted by their obstacles.

    ``images``: those of the study, with ``has_mask``.
    """
    maskless = int((~images["has_mask"].astype(bool)).sum())
    obstacles: dict[str, list[str]] = {}
    for name, settings in every["augmenters"].items():
        if name.endswith("_untrained") and name not in params["augmenters"]:
            continue
        reason, hard = _obstacle(every, settings, maskless, len(images), attributes)
        if name in params["augmenters"]:
            found.say("methods", f"{name}: {'in the grid' if not reason else f'in the grid, but {reason}'}")
            if hard:
                found.stop(f"augmenters.{name}: {reason}; take it out of the grid, or mend that")
        else:
            obstacles.setdefault(reason, []).append(name)
    for reason, names in obstacles.items():
        found.say("methods", f"{'could be used' if not reason else f'not ({reason})'}: {', '.join(names)}")
    if maskless and any(block["segmenters"] for block in params["grid"].values()):
        found.stop(f"segmenters need masks, and {maskless} of {len(images)} images of the study have none")


def _obstacle(
    every: Mapping[str, Any], a: Mapping[str, Any], maskless: int, images: int, attributes: set[str]
) -> tuple[str, bool]:
    """What stands in the way of an augmenter, and whether a run would stop there; nothing, if nothing does."""
    adapter = every["adapters"].get(a.get("adapter") or "", {})
    captioner = every["captioners"].get(a.get("captioner") or "", {})
    if maskless and _needs_masks(a, adapter):
        return f"{maskless} of {images} images have no mask", True
    if a["mode"] == "remote_edit" or captioner.get("backend") == "endpoint":
        return "asks a service; set its address and key", False
    base = every["base_models"].get(a.get("base", NO_MODEL), {})
    if base and not isinstance(locate(str(base["location"]), base["revision"]), Path):
        return f"its base model {base['location']} is fetched from the hub", False
    if captioner.get("backend") == "concepts" and not _annotated(captioner, attributes):
        return f"no attribute is called as its captions' {', '.join(list(captioner['phrases'])[:3])} …", False
    return "", False


def _needs_masks(a: Mapping[str, Any], adapter: Mapping[str, Any]) -> bool:
    return (
        a["mode"] in {"inpaint", "image_and_mask", "remote_edit"}
        or (a["mode"] == "tone_transfer" and a["region"] == "outside_mask")
        or adapter.get("task", "image") != "image"
        or adapter.get("lesion_weight", 1) != 1
    )


def _annotated(captioner: Mapping[str, Any], attributes: set[str]) -> bool:
    return bool(attributes & set(captioner["phrases"])) or ("*" in captioner["phrases"] and bool(attributes))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

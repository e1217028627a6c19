"""What cells are made of: entries of params.yaml that name one another, and what DVC watches of a model."""

from typing import Any

from pipeline_steps.checkpoints.locations import HubModel, locate, pretrained_id, watched
from pipeline_steps.stage.mistakes import did_you_mean
from pipeline_steps.stage.params import ParamsError
from pipeline_steps.stage.wiring import NOTHING

NOT_DEFINED = "which is not defined"
NO_MODEL = "none"  # in base_models: what an augmenter without a model depends on
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


def entry_of(params: dict[str, Any], section: str, name: str, by: str) -> dict[str, Any]:
    """``section.name``, which the parameter ``by`` names."""
    known = params[section]
    if name not in known:
        meant = did_you_mean(name, known) or f"; there is {', '.join(known)}"
        raise ParamsError(f"{by} names {section}.{name}, {NOT_DEFINED}{meant}")
    entry: dict[str, Any] = known[name]
    return entry


def base_weights(cells: Cells, params: dict[str, Any], base: str, by: str) -> str:
    """What DVC watches of the base model that the entry ``by`` names."""
    if base == NO_MODEL:
        return NOTHING
    return watched_model(cells, entry_of(params, "base_models", base, f"{by}.base"), f"base_models.{base}")


def watched_model(cells: Cells, entry: dict[str, Any], own: str) -> str:
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


def pretrained_weights(cells: Cells, params: dict[str, Any], architecture: str) -> str:
    """What DVC watches of the weights from which a classifier's training begins."""
    hub_id = pretrained_id(architecture) if params["classifier"]["pretrained"] else None
    return watched_model(cells, {"location": hub_id}, "classifier.pretrained") if hub_id else NOTHING

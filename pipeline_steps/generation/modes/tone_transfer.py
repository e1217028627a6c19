"""Skin-tone transfer by colour alone: a baseline without a model."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from pipeline_steps.generation.modes.mode import Entry, Mode
from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.parameters.levels import ByLevel

Degrees = Annotated[float, Field(ge=-90, le=90)]


class ToneTransferParams(JobParams):
    """An entry of ``augmenters`` that recolours skin.

    ``ita`` is the range (degrees) of each target level; ``feather`` (pixels) the softness of the lesion's edge.
    ``region``: outside the lesion's mask, or everywhere (for data without masks).
    """

    mode: Literal["tone_transfer"]
    region: Literal["outside_mask", "everywhere"]
    feather: NonNegativeFloat
    ita: ByLevel[tuple[Degrees, Degrees]]


def _makes_masks(entry: Entry) -> bool:
    return entry["region"] == "outside_mask"


TONE_TRANSFER = Mode(
    name="tone_transfer",
    params=ToneTransferParams,
    make="pipeline_steps.generation.recoloring:recolor",
    starts_from_source=True,
    uses_device=False,
    makes_masks=_makes_masks,
    per_level=("ita",),
)

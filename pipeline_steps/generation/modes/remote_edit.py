"""Images edited by a model behind an OpenAI-compatible image-edit endpoint (Sagers et al. 2022 used DALL-E 2)."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline_steps.generation.modes.mode import Entry, Mode
from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.stage.params import Params


class EditBudget(Params):
    """Limits of one run: ``requests``, retries included, and ``cost`` (0: none) at ``price_of_image``."""

    requests: NonNegativeInt
    cost: NonNegativeFloat
    price_of_image: NonNegativeFloat


class RemoteEditParams(JobParams):
    """An entry of ``augmenters`` whose images a service paints.

    ``region``: what is painted anew; ``size`` (pixels): the square that is sent and asked for; ``grow`` (pixels of the
    data's images) widens the lesion's mask, ``feather`` (the same) is the softness of its edge; ``response_format``:
    what some models must be told to send the image itself.
    """

    mode: Literal["remote_edit"]
    captioner: str
    region: Literal["surroundings", "lesion"]
    size: PositiveInt
    grow: NonNegativeInt
    feather: NonNegativeFloat
    response_format: Literal["b64_json"] | None
    base_url: NonEmpty
    model: NonEmpty
    key_variable: str
    timeout_seconds: PositiveFloat
    attempts: PositiveInt
    concurrency: PositiveInt
    budget: EditBudget


def _makes_masks(entry: Entry) -> bool:
    return entry["region"] == "surroundings"


REMOTE_EDIT = Mode(
    name="remote_edit",
    params=RemoteEditParams,
    make="pipeline_steps.generation.remote:remote_edit",
    starts_from_source=True,
    uses_device=False,
    makes_masks=_makes_masks,
)

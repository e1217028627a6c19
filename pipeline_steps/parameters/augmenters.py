"""How images are made: a model of parameters for each mode."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pipeline_steps.parameters.bounds import Fraction, NonEmpty
from pipeline_steps.parameters.jobs import JobParams
from pipeline_steps.parameters.levels import ByLevel
from pipeline_steps.parameters.sampler import Sampler, Strength
from pipeline_steps.stage.params import Params

Degrees = Annotated[float, Field(ge=-90, le=90)]


class LearnedParams(JobParams, Sampler):
    """What all entries of ``augmenters`` share whose images are denoised by a base model and what it learned.

    ``batch_size`` is a fixed shape: bits depend on it.
    """

    base: str
    captioner: str
    inversion: str | None
    adapter: str | None
    batch_size: PositiveInt


class DiffusionParams(LearnedParams):
    """Images from noise (``strength`` is not used), or from their source, noised as ``Sampling`` says."""

    mode: Literal["txt2img", "img2img"]
    strength: Strength


class Pass(Params):
    """One painting: which part anew (``lesion`` or ``surroundings``), and the share of the steps that does it.

    At ``strength`` 1 from noise alone; below, from the noised source, of which a trace stays (``Sampling``).
    """

    region: Literal["lesion", "surroundings"]
    strength: Strength


class InpaintParams(LearnedParams):
    """An entry of ``augmenters`` that paints parts of its sources anew.

    ``passes`` follow one another: surroundings alone keep the pathology (2022); lesion, then surroundings, is "in-then-
    outpainting" (2023). ``grow`` (pixels) widens the lesion's mask, ``feather`` (pixels) is the softness of its edge.
    Around a lesion that stays, the edge is soft outside it, so that its pixels stay; where both parts are painted, it
    is soft beyond each, so that nothing of the source's light skin stays between them.
    """

    mode: Literal["inpaint"]
    passes: Annotated[tuple[Pass, ...], Field(min_length=1)]
    grow: NonNegativeInt
    feather: NonNegativeFloat


class PairedParams(LearnedParams):
    """An entry of ``augmenters`` that makes images with masks from text. ``threshold`` (0 to 1) makes masks binary."""

    mode: Literal["image_and_mask"]
    threshold: Fraction


class ToneTransferParams(JobParams):
    """An entry of ``augmenters`` that recolours skin.

    ``ita`` is the range (degrees) of each target level; ``feather`` (pixels) the softness of the lesion's edge.
    ``region``: outside the lesion's mask, or everywhere (for data without masks).
    """

    mode: Literal["tone_transfer"]
    region: Literal["outside_mask", "everywhere"]
    feather: NonNegativeFloat
    ita: ByLevel[tuple[Degrees, Degrees]]


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


PARAMS: dict[str, type[JobParams]] = {
    "txt2img": DiffusionParams,
    "img2img": DiffusionParams,
    "inpaint": InpaintParams,
    "image_and_mask": PairedParams,
    "remote_edit": RemoteEditParams,
    "tone_transfer": ToneTransferParams,
}

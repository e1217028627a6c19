"""How a base model is fine-tuned."""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.parameters.mask_terms import MaskTerms
from pipeline_steps.parameters.optimised import TrainingParams
from pipeline_steps.parameters.sampler import Sampler
from pipeline_steps.stage.params import Params


class PriorParams(Params):
    """Prior preservation: so many images that the base model makes of ``prompt``, as ``sampler`` says."""

    weight: NonNegativeFloat
    images: PositiveInt
    prompt: str
    sampler: Sampler


class AdapterParams(Params):
    """What every entry of ``adapters`` in params.yaml says; ``task``: what is denoised, a row of ``TASKS``.

    ``method``: LoRA on ``target_modules``, or ``full``: all weights of the denoiser. ``gradient_checkpointing``:
    compute activations twice rather than keep them (Chen et al. 2016). ``lesion_weight``: how much the error within a
    lesion's mask counts (1: masks are not read for it).
    """

    base: str
    captioner: str
    inversion: str | None
    task: str
    method: Literal["lora", "full"]
    joint: bool
    rank: PositiveInt
    alpha: PositiveInt
    target_modules: Annotated[tuple[NonEmpty, ...], Field(min_length=1)]
    gradient_checkpointing: bool
    lesion_weight: PositiveFloat
    preview_every: NonNegativeInt
    training: TrainingParams

    @model_validator(mode="after")
    def _one_denoiser(self) -> Self:
        if self.method == "full" and not self.joint:
            raise ValueError("joint must be true where method is full: that changes the base")
        return self


class ImageParams(AdapterParams):
    """Images; with ``prior``, the base model's own images beside them (Ruiz et al. 2023)."""

    task: Literal["image"]
    prior: PriorParams | None


class InpaintingParams(AdapterParams):
    """Parts of images, by a base model for inpainting."""

    task: Literal["inpainting"]


class ImageAndMaskParams(AdapterParams):
    """Images with their lesions' masks."""

    task: Literal["image_and_mask"]
    mask_terms: MaskTerms

    @model_validator(mode="after")
    def _one_extended_denoiser(self) -> Self:
        if not self.joint:
            raise ValueError("joint must be true where task is image_and_mask: that changes the base")
        return self


class TaskRow(NamedTuple):
    """A task: its parameters, and the name of its functions (``stage.named``)."""

    params: type[AdapterParams]
    functions: str


# All training tasks. A new one is a file in pipeline_steps/diffusion/tasks and a row here.
TASKS = {
    "image": TaskRow(ImageParams, "pipeline_steps.diffusion.tasks.image:TASK"),
    "inpainting": TaskRow(InpaintingParams, "pipeline_steps.diffusion.tasks.inpainting:TASK"),
    "image_and_mask": TaskRow(ImageAndMaskParams, "pipeline_steps.diffusion.tasks.image_and_mask:TASK"),
}
PARAMS = {name: row.params for name, row in TASKS.items()}

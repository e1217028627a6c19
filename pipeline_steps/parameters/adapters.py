"""How a base model is fine-tuned."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline_steps.parameters.bounds import Fraction, NonEmpty
from pipeline_steps.parameters.optimised import TrainingParams
from pipeline_steps.parameters.sampler import Sampler
from pipeline_steps.stage.params import Params


class MaskTerms(Params):
    """The loss beside the image half's: ``latent`` times the mask half's squared error, ``overlap`` times Dice + BCE.

    The latter of the decoded mask, where the share of noise sigma is at most ``below_sigma``.
    """

    latent: NonNegativeFloat
    overlap: NonNegativeFloat
    below_sigma: Fraction


class PriorParams(Params):
    """Prior preservation: so many images that the base model makes of ``prompt``, as ``sampler`` says."""

    weight: NonNegativeFloat
    images: PositiveInt
    prompt: str
    sampler: Sampler


class AdapterParams(Params):
    """One entry of ``adapters`` in params.yaml.

    ``task``: what is denoised: images, parts of images (by a base model for inpainting), or images with their masks.
    ``method``: LoRA on ``target_modules``, or ``full``: all weights of the denoiser. ``gradient_checkpointing``:
    compute activations twice rather than keep them (Chen et al. 2016). ``lesion_weight``: how much the error within a
    lesion's mask counts (1: masks are not read).
    """

    base: str
    captioner: str
    inversion: str | None
    task: Literal["image", "inpainting", "image_and_mask"]
    method: Literal["lora", "full"]
    joint: bool
    rank: PositiveInt
    alpha: PositiveInt
    target_modules: Annotated[tuple[NonEmpty, ...], Field(min_length=1)]
    gradient_checkpointing: bool
    lesion_weight: PositiveFloat
    mask_terms: MaskTerms
    prior: PriorParams | None
    preview_every: NonNegativeInt
    training: TrainingParams

    @model_validator(mode="after")
    def _one_denoiser(self) -> Self:
        if not self.joint and (self.method == "full" or self.task == "image_and_mask"):
            raise ValueError("joint must be true where method is full or task is image_and_mask: that changes the base")
        if self.prior and self.task != "image":
            raise ValueError("prior preservation is for task image alone; set prior to null")
        return self

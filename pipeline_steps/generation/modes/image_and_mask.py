"""Image and lesion mask at once, from text (SkinDualGen)."""

from typing import Any, Literal

from pipeline_steps.generation.modes.denoising import TXT2IMG
from pipeline_steps.generation.modes.mode import Entry, Mode
from pipeline_steps.parameters.bounds import Fraction
from pipeline_steps.parameters.learned import LearnedParams


class ImageAndMaskParams(LearnedParams):
    """An entry of ``augmenters`` that makes images with masks from text. ``threshold`` (0 to 1) makes masks binary."""

    mode: Literal["image_and_mask"]
    threshold: Fraction


def _makes_masks(_entry: Entry) -> bool:
    return True


def _images_alone(entry: Entry) -> dict[str, Any]:
    """The base model makes no masks before it has learned to: it makes images from text."""
    kept = {key: value for key, value in entry.items() if key != "threshold"}
    return kept | {"mode": TXT2IMG.name, "strength": 1.0}


IMAGE_AND_MASK = Mode(
    name="image_and_mask",
    params=ImageAndMaskParams,
    make="pipeline_steps.diffusion.paired:image_and_mask",
    starts_from_source=False,
    uses_device=True,
    makes_masks=_makes_masks,
    adapter_task="image_and_mask",
    as_it_came=_images_alone,
)

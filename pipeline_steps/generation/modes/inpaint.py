"""Inpainting around or within the pathology (Sagers et al. 2022 and 2023)."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, model_validator

from pipeline_steps.generation.modes.mode import Entry, Mode
from pipeline_steps.parameters.learned import LearnedParams
from pipeline_steps.parameters.sampler import Strength, check_steps
from pipeline_steps.stage.params import Params


class Pass(Params):
    """One painting: which part anew (``lesion`` or ``surroundings``), and the share of the steps that does it.

    At ``strength`` 1 from noise alone; below, from the source with noise added, of which a trace stays (``Sampling``).
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

    @model_validator(mode="after")
    def _runs_a_step(self) -> Self:
        for each in self.passes:
            check_steps(self.num_inference_steps, each.strength)
        return self


def paints_the_lesion(regions: Sequence[str]) -> bool:
    """Whether one of the parts that are painted is the lesion; its mask is then no longer known."""
    return "lesion" in regions


def _makes_masks(entry: Entry) -> bool:
    return not paints_the_lesion([each["region"] for each in entry["passes"]])


INPAINT = Mode(
    name="inpaint",
    params=InpaintParams,
    make="pipeline_steps.diffusion.inpaint:inpaint",
    starts_from_source=True,
    uses_device=True,
    makes_masks=_makes_masks,
)

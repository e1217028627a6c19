"""Which images are made: what all augmenters say, whatever their mode."""

from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from pipeline_steps.parameters.bounds import Seed
from pipeline_steps.parameters.levels import Levels
from pipeline_steps.stage.params import Params


class JobParams(Params):
    """What every entry of ``augmenters`` in params.yaml says; ``mode`` names the way to make an image.

    ``target_levels``: levels, or ``minority``, which ``aimed`` replaces by the study's. ``level_choice``: a source of
    another level draws one of them for each image (``random``, as Wang et al.), or its images go through them in turn
    from a random first (``balanced``).
    """

    mode: str
    images_per_source: PositiveInt
    max_sources: NonNegativeInt
    target_levels: Literal["minority"] | Levels
    level_choice: Literal["random", "balanced"]
    seed: Seed

"""When images are too alike, and when something is wrong with them."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt

from pipeline_steps.parameters.bounds import Fraction, Seed
from pipeline_steps.stage.params import Params

Lightness = Annotated[float, Field(ge=0, le=100)]  # L* of CIELAB


class MissingnessParams(Params):
    """How the prediction is made and tested.

    ``folds`` of cross-validation by group; ``depth`` of the decision tree; ``permutations`` of the labels for each
    p-value; ``significance``: the p-value at which the pattern counts as telling of the label.
    """

    folds: int = Field(ge=2)
    depth: PositiveInt
    permutations: PositiveInt
    significance: Fraction
    seed: Seed


class AuditParams(Params):
    """``audit`` in params.yaml."""

    near_duplicate_similarity: float = Field(ge=-1, le=1)
    blurred_below: NonNegativeFloat
    dark_below: Lightness
    bright_above: Lightness
    missing_facts: MissingnessParams

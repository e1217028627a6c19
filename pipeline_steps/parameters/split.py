"""How the study is split, and which other numbers would do where it can't be."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from pipeline_steps.parameters.bounds import Seed
from pipeline_steps.parameters.scenarios import Scenario
from pipeline_steps.stage.params import Params


class SplitParams(Params):
    """``split`` in params.yaml."""

    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1)]
    draws: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    flexible_per_condition: NonNegativeInt
    sampler: Literal["per_condition", "per_level"]
    validation_fraction: float = Field(ge=0, lt=1)
    leakage: Literal["exclude", "report", "stop"]
    seed: Seed


def would_do(params: SplitParams, fits: Callable[[SplitParams], bool]) -> str:
    """The next larger share of validation, and the next smaller flexible subset, that ``fits``: in words, as a remedy.

    Each is tried by itself, in steps of 0.05 and of a twelfth of the subset.
    """
    shares = [n / 20 for n in range(1, 19) if n / 20 > params.validation_fraction]
    most = params.flexible_per_condition
    numbers = dict.fromkeys(most * n // 12 for n in range(11, 0, -1) if 0 < most * n // 12 < most)
    remedies = []
    for key, candidates, verb in (
        ("validation_fraction", shares, "raise"),
        ("flexible_per_condition", list(numbers), "lower"),
    ):
        found = next((v for v in candidates if fits(params.model_copy(update={key: v}))), None)
        remedies += [f"{verb} split.{key} to {found}"] if found is not None else []
    return " or ".join(remedies) or "no other share or smaller flexible subset does: add patients"

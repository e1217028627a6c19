"""Who a study divides: the skin types of its majority and its minority, and what parameters mean by the latter."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, model_validator

from pipeline_steps.stage.params import Params

MINORITY = "minority"  # as ``target_types``: those of ``subset.minority``
Type = Annotated[int, Field(ge=1, le=6)]
Types = Annotated[tuple[Type, ...], Field(min_length=1)]


class Minority(Params):
    """``subset.minority`` in params.yaml: a list of skin types."""

    types: Types

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return {"types": value}


def targets(named: str | Sequence[int], minority: Sequence[int]) -> tuple[int, ...]:
    """The types that ``target_types`` means: the named ones in their order, or the minority's."""
    return tuple(sorted(set(minority))) if named == MINORITY else tuple(int(t) for t in named)

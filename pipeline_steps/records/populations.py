"""Who a study divides: the skin types of its majority and its minority, and what parameters mean by the latter."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

MINORITY = "minority"  # as ``target_types``: those of ``population.minority``
Type = Annotated[int, Field(ge=1, le=6)]
Types = Annotated[tuple[Type, ...], Field(min_length=1)]


def targets(named: str | Sequence[int], minority: Sequence[int]) -> tuple[int, ...]:
    """The types that ``target_types`` means: the named ones in their order, or the minority's."""
    return tuple(sorted(set(minority))) if named == MINORITY else tuple(int(t) for t in named)

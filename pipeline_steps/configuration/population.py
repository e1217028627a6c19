"""The section ``population`` as a whole; stages read parts of it."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from pipeline_steps.parameters.consistent import Rule
from pipeline_steps.parameters.levels import Levels
from pipeline_steps.parameters.population import Groups, How
from pipeline_steps.parameters.words import Phrases
from pipeline_steps.records.populations import LEVELS_OF, SKIN_TYPE, noun
from pipeline_steps.records.skin_scales import ITA_TYPE
from pipeline_steps.records.skin_types import GROUPS


def _levels(column: str, levels: Any, bands: Mapping[str, Any]) -> Iterator[str]:
    if twice := sorted({level for level in levels if levels.count(level) > 1}):
        yield f"levels names one twice: {', '.join(twice)}"
    known = LEVELS_OF.get(column, ())
    if column in {SKIN_TYPE, ITA_TYPE}:
        if levels != known:
            yield f"levels of {column} should be {', '.join(known)}, in this order"
    elif bands and {*levels} != {*bands}:
        yield f"levels should be the names of bands, {', '.join(bands)}, in their order"
    elif known and not bands and (strange := [level for level in levels if level not in known]):
        yield f"{column} has the levels {known[0]} to {known[-1]}, and no {', '.join(strange)}"


def _whole(levels: Any, majority: Any, minority: Any) -> Iterator[str]:
    if strange := {*majority, *minority} - {*levels}:
        yield f"levels lacks {', '.join(sorted(strange))} of majority or minority; add it there"


def _checkable(column: str, check: How) -> Iterator[str]:
    if check == "ita" and column == ITA_TYPE:
        yield "check is ita, from which these types were estimated, so that it would agree with itself: set it to null"
    elif check == "ita" and column != SKIN_TYPE:
        yield f"check is ita, which tells skin types; {noun(column)} has no check: set it to null"


def _named(column: str, levels: Any, words: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    known = {*levels, *(GROUPS if column == SKIN_TYPE else ())}
    for name, phrases in words.items():
        if lacking := [level for level in levels if level not in phrases]:
            yield f"words.{name} has none for level {', '.join(lacking)}"
        if strange := [level for level in phrases if level not in known]:
            yield f"words.{name} names {', '.join(strange)}, which is no level of {column}"


class PopulationParams(Groups):
    """``population`` in params.yaml.

    ``levels`` that the column may have, in their order, as the data write them whatever the case; ``check``: how
    ``screen`` looks whether a generated image shows the level that it was made for (``ita``, for skin types, or not at
    all). ``words``: what captions call the levels, in sets that ``captioners`` name.
    """

    levels: Annotated[Levels, Field(min_length=2)]
    check: How
    words: dict[str, Phrases]
    rules: ClassVar[tuple[Rule, ...]] = (
        *Groups.rules,
        (("column", "levels", "bands"), _levels),
        (("levels", "majority", "minority"), _whole),
        (("column", "check"), _checkable),
        (("column", "levels", "words"), _named),
    )

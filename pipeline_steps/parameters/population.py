"""Whom the study divides: its column, the levels of majority and minority, and how they are checked."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

from pipeline_steps.parameters.bounds import NonEmpty
from pipeline_steps.parameters.consistent import Consistent, Rule
from pipeline_steps.parameters.levels import ByLevel, Levels
from pipeline_steps.parameters.part import Part
from pipeline_steps.records.populations import LEVELS_OF, SKIN_TYPE, levels_name
from pipeline_steps.records.skin_scales import ITA, ITA_TYPE

How = Literal["ita"] | None
Bands = ByLevel[tuple[float, float]]


def _apart(column: str, majority: Any, minority: Any) -> Iterator[str]:
    if both := {*majority} & {*minority}:
        yield f"{levels_name(column, both)} can't be in majority and minority; leave it in one"


def _of_the_scale(column: str, bands: Mapping[str, Any], majority: Any, minority: Any) -> Iterator[str]:
    named = {*majority, *minority}
    if bands and (strange := sorted(named - {*bands})):
        yield f"majority or minority names {', '.join(strange)}, and bands has {', '.join(bands)}"
    known = () if bands else LEVELS_OF.get(column, ())
    if known and (strange := sorted(named - {*known})):
        yield f"{column} has the levels {known[0]} to {known[-1]}, and no {', '.join(strange)}"


def _bands(column: str, bands: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    if bands and column in {SKIN_TYPE, ITA_TYPE}:
        yield f"bands are of numbers, and {column} has levels of its own: set bands to {{}}"
    if not bands and column == ITA:
        yield "column is ita, which is an angle in degrees: name its bands, such as {light: [28, 90], dark: [-90, 28]}"
    for name, (low, high) in bands.items():
        if low >= high:
            yield f"bands.{name} goes from {low:g} to {high:g}: its first number should be the lower one"
    for one, other in _overlaps(bands):
        yield f"bands {one} and {other} overlap: let one begin where the other ends"


class Groups(Consistent):
    """The two parts that a study divides people into, by a column of the manifest or one of its attributes.

    ``bands``, of a column of numbers: the levels, each with its lower and upper bound; the upper one is outside, but
    for that of the highest band. A number that an image has must be in one of them.
    """

    column: NonEmpty
    majority: Levels
    minority: Levels
    bands: Bands
    rules: ClassVar[tuple[Rule, ...]] = (
        (("column", "majority", "minority"), _apart),
        (("column", "bands", "majority", "minority"), _of_the_scale),
        (("column", "bands"), _bands),
    )


class Column(Part):
    """``population.column`` in params.yaml."""

    value: NonEmpty


class Group(Part):
    """``population.majority``, ``population.minority`` or ``population.levels`` in params.yaml."""

    value: Levels


class Banding(Part):
    """``population.bands`` in params.yaml."""

    value: Bands


class Check(Part):
    """``population.check`` in params.yaml."""

    value: How


def _overlaps(bands: Mapping[str, tuple[float, float]]) -> Iterable[tuple[str, str]]:
    """Pairs of bands that have numbers in common, but for a bound."""
    ordered = sorted(bands, key=lambda name: bands[name])
    return [(a, b) for a, b in itertools.pairwise(ordered) if bands[b][0] < bands[a][1]]

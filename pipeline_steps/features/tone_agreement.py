"""How far the skin types that images show agree with those that somebody assigned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline_steps.pixels.ita import UNMEASURED, Types
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.statistics.cluster_intervals import largest_share


@dataclass(frozen=True)
class Agreement:
    """How often the measured type of ``images`` was the annotated one.

    Shares are of those that were measured: ``exact``, ``misjudged`` (further off than the tolerance), ``right_side``
    (nearer to the same of majority and minority); NaN of none. ``groups``: of images that belong together, among the
    measured. ``misjudged_at_most``: the share that so many groups leave possible (``largest_share``).
    """

    images: int
    unmeasured: int
    groups: int
    exact: float
    misjudged: float
    misjudged_at_most: float
    right_side: float


@dataclass(frozen=True)
class Sides:
    """The skin types of majority and minority."""

    majority: frozenset[int]
    minority: frozenset[int]

    def of(self, types: Types) -> Types:
        """Which side (N,) each type is nearer to: 1 the majority, -1 the minority, 0 neither."""
        return np.sign(_distance(types, self.minority) - _distance(types, self.majority))


def _distance(types: Types, side: frozenset[int]) -> Types:
    return np.abs(types[:, None] - np.array(sorted(side), np.int64)).min(axis=1, initial=99)


def agreement(
    annotated: Types, measured: Types, groups: Sequence[str], tolerance: int, sides: Sides
) -> dict[str, Agreement]:
    """Of ``all`` images of known type, and of those of each annotated type that occurs."""
    chosen = {"all": np.isin(annotated, FITZPATRICK_TYPES)}
    chosen |= {str(t): annotated == t for t in FITZPATRICK_TYPES if (annotated == t).any()}
    names, found = np.asarray(groups, str), {}
    for name, mine in chosen.items():
        seen = mine & (measured != UNMEASURED)
        one, other = annotated[seen], measured[seen]
        far = np.abs(one - other) > tolerance
        exact, misjudged, right = (
            float(hit.mean()) if len(hit) else float("nan")
            for hit in (one == other, far, sides.of(one) == sides.of(other))
        )
        counts = int(mine.sum()), int((mine & ~seen).sum()), len(set(names[seen]))
        found[name] = Agreement(*counts, exact, misjudged, largest_share(far, list(names[seen])), right)
    return found

"""The measures as the report shows them: which of them where, and under what name.

FID and KID name distances in Inception's features, and in nothing else's.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline_steps.measures.classifiers.table import CLASSIFIERS
from pipeline_steps.measures.images.table import COUNTED, DISTANCES
from pipeline_steps.measures.measure import Measure

_INCEPTION = "inception"

MINORITY = Measure(  # the report's own: who the minority is, ``evaluate`` doesn't know
    name="minority",
    heading="accuracy, minority",
    of=lambda images: images["right"] / images["all"],
    bounds=(0, 1),
    better="higher",
    leaderboard=True,
    compared="minority",
)
BOARD_CLASSIFIERS: tuple[Measure[Any], ...] = (MINORITY, *(m for m in CLASSIFIERS if m.leaderboard))
_OF_IMAGES: tuple[Measure[Any], ...] = (*DISTANCES, *COUNTED)
BOARD_IMAGES = tuple(m for m in _OF_IMAGES if m.leaderboard)


def named(measure: Measure[Any], features: Iterable[str]) -> str:
    """A measure in words, such as ``Fréchet distance (shipped features)``.

    ``features``: the extractor that ``metrics/fid`` names, the same in all cells of a run. Heusel et al.'s FID and
    Bińkowski et al.'s KID are distances in the features of one Inception-v3; ``inception`` is that, under clean-fid's
    preprocessing.
    """
    found = ", ".join(sorted(set(features)))
    if not measure.in_inception or not found:
        return measure.heading
    return measure.in_inception if found == _INCEPTION else f"{measure.heading} ({found} features)"


def ends(measure: Measure[Any]) -> tuple[str, str]:
    """The columns of its interval in the table of classifiers: plainly ``low`` and ``high`` of accuracy."""
    return ("low", "high") if measure is CLASSIFIERS[0] else (f"{measure.name}_low", f"{measure.name}_high")


def scores(found: Mapping[str, Any], measures: Iterable[Measure[Any]]) -> dict[str, Any]:
    """What ``evaluate`` wrote of ``measures``, each with the ends of its interval, if it has one."""
    row: dict[str, Any] = {}
    for m in measures:
        row[m.name] = found[m.name]
        if m.interval is not None:
            row |= dict(zip(ends(m), found[f"{m.name}_interval"], strict=True))
    return row

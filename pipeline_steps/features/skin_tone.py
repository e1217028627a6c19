"""Whether generated skin has the wanted tone, as far as the measure of tones can be trusted on this data.

The tone of skin in a photograph depends on light and camera, and Fitzpatrick's scale describes reaction to sun: so the
measure is tried on real images whose type is known, and rejects only where it seldom misjudges those.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.features.tone_agreement import Agreement, Sides, agreement
from pipeline_steps.pixels.ita import UNMEASURED, Types, skin_ita, types_from_itas, with_masks
from pipeline_steps.records.populations import MAJORITY, MINORITY
from pipeline_steps.records.skin_types import types_of

Image = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
ALL = "all"


@dataclass(frozen=True)
class ToneRule:
    """A type further than ``tolerance`` from the wanted one is wrong.

    Nothing is rejected for it unless at most ``largest_error`` of real images would be, of all and of the wanted type:
    as was seen, and by the upper bound that so many groups of them allow.
    """

    tolerance: int
    largest_error: float


@dataclass(frozen=True)
class Skin:
    """What was measured of images: ``ita`` (N,) in degrees, NaN where they show too little skin, and its ``types``.

    ``marked`` (N,): where a mask told the lesion, and skin was looked for outside of it.
    """

    ita: npt.NDArray[np.float32]
    types: Types
    marked: Bools


@dataclass(frozen=True)
class Tones:
    """Verdicts on generated images: their ``skin``, which are ``wrong`` (N,), and the ``report`` for the metrics."""

    skin: Skin
    wrong: Bools
    report: dict[str, Any]


def measure(images: Iterable[Image], masks: Iterable[Bools | None] | None) -> Skin:
    """The skin of images (S, S, 3), outside of their lesions' masks where there are masks; one after the other."""
    found = [(skin_ita(i, m), m is not None and bool(m.any())) for i, m in with_masks(images, masks)]
    ita = np.array([angle for angle, _ in found], np.float32)
    return Skin(ita, types_from_itas(ita), np.array([marked for _, marked in found], bool))


def measured_where(skin: Skin) -> dict[str, int]:
    """How many images were measured where: not all have a mask, and an empty one leaves nothing out."""
    marked = int(skin.marked.sum())
    return {"outside_of_lesion_masks": marked, "border": len(skin.marked) - marked}


def check_tones(wanted: Types, skin: Skin, rows: pd.DataFrame, real: Skin, rule: ToneRule) -> Tones:
    """Which generated images are of another tone than ``wanted`` (N,).

    ``rows`` of the split and ``real``: images of known type outside of the test split, measured in the same way.
    """
    annotated = rows["level"].to_numpy().astype(np.int64)  # a group of types, such as 34, is none
    sides = _sides(rows, wanted)
    known = agreement(annotated, real.types, list(rows["group"]), rule.tolerance, sides)
    off = (skin.types != UNMEASURED) & (np.abs(skin.types - wanted) > rule.tolerance)
    doubts = {int(t): doubt(known, int(t), rule) for t in np.unique(wanted)}
    trusted = np.isin(wanted, [t for t, why in doubts.items() if not why])
    report = {
        "real_images": {name: asdict(found) for name, found in known.items()},
        "generated_off": {str(t): int(off[wanted == t].sum()) for t in doubts},
        "generated_unmeasured": {str(t): int((skin.types[wanted == t] == UNMEASURED).sum()) for t in doubts},
        "rejects_nothing_because": {str(t): why for t, why in doubts.items() if why},
    }
    return Tones(skin, off & trusted, report)


def doubt(known: Mapping[str, Agreement], wanted: int, rule: ToneRule) -> str:
    """Why no image that was made for type ``wanted`` is rejected for its tone; empty where one may be."""
    own = known.get(str(wanted))
    if own is None:
        return f"no real image outside of the test split is of type {wanted}: the error on it is unknown"
    for words, found in ((f"of type {wanted}", own), ("of known type", known[ALL])):
        if found.unmeasured > rule.largest_error * found.images:
            return f"{found.unmeasured} of {found.images} real images {words} show too little skin to be measured"
        if max(found.misjudged, found.misjudged_at_most) > rule.largest_error:
            measured = found.images - found.unmeasured
            return (
                f"the measure misjudges {found.misjudged:.0%} of {measured} real images {words}, and "
                f"{found.groups} groups leave up to {found.misjudged_at_most:.1%} possible (95 % bound): "
                f"more than screen.tone_largest_error ({rule.largest_error:g})"
            )
    return ""


def _sides(rows: pd.DataFrame, wanted: Types) -> Sides:
    """The split's groups; types that images are made for are the minority's, where no real image shows them."""
    both = (rows.loc[rows["population"] == whom, "level"] for whom in (MAJORITY, MINORITY))
    majority, minority = (frozenset(t for level in set(levels) for t in types_of(level)) for levels in both)
    return Sides(majority, minority or frozenset(wanted.tolist()) - majority)

"""What a report says of generic marks: the truth that the shipped captioner learns from and is measured against."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline_steps.datasets.phantom.marks import Mark

TONES = {1: "very light", 2: "light", 3: "light brown", 4: "brown", 5: "dark", 6: "very dark"}


@dataclass(frozen=True)
class Look:
    """What any mark of a kind looks like, in the words of the phantom's annotations where those have one."""

    texture: str
    elevation: str
    arrangement: str
    count: str


LOOKS: dict[str, Look] = {
    "disc": Look("smooth", "flat", "solitary", "one"),
    "ring": Look("smooth", "flat", "annular", "one"),
    "patch": Look("smooth", "flat", "solitary", "one"),
    "dots": Look("smooth", "flat", "scattered", "many"),
    "flecks": Look("scaly", "flat", "grouped", "many"),
    "straight line": Look("smooth", "flat", "linear", "one"),
    "wavy line": Look("smooth", "flat", "serpiginous", "one"),
    "star": Look("smooth", "flat", "branching", "one"),
    "bump": Look("smooth", "nodule", "solitary", "one"),
    "bumps": Look("smooth", "nodules", "grouped", "several"),
    "crust": Look("crusted and fissured", "flat", "solitary", "one"),
    "target": Look("smooth", "flat", "targetoid", "one"),
}


def marks_report(marks: Sequence[Mark], skin_type: int) -> dict[str, str]:
    """The entries of schema ``marks`` for an image of ``marks``; healthy skin has ``none`` of each.

    Of two marks, what stands out is said: ``smooth``, ``flat`` and ``solitary`` only where nothing else is.
    """
    ordered = sorted(marks, key=lambda mark: mark.kind)
    looks = [LOOKS[mark.kind] for mark in ordered]
    return {
        "shape": _joined(mark.kind for mark in ordered),
        "colour": _joined(mark.colour for mark in ordered),
        "size": _joined(mark.size or "medium" for mark in ordered),
        "texture": _joined((look.texture for look in looks), unless="smooth"),
        "elevation": _joined((look.elevation for look in looks), unless="flat"),
        "arrangement": _joined((look.arrangement for look in looks), unless="solitary"),
        "count": _count([look.count for look in looks]),
        "skin_type": TONES[skin_type],
    }


def _joined(words: Iterable[str], unless: str = "") -> str:
    """Distinct ``words``; one that is ``unless`` only where it is alone."""
    distinct = list(dict.fromkeys(words))
    telling = [word for word in distinct if word != unless] or distinct
    return " and ".join(telling) or "none"


def _count(counts: Sequence[str]) -> str:
    """Of all marks together."""
    if list(counts) == ["one", "one"]:
        return "two"
    return next((word for word in ("many", "several", "one") if word in counts), "none")

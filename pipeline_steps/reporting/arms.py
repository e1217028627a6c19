"""The arms of a comparison: their order, their words, and what each is for."""

from collections.abc import Iterable, Mapping
from typing import Any

REAL = "real"  # what arms are compared with
_NAMES = {
    REAL: "real",
    "real_again": "real, second seed",
    "classic": "real, classic augmentation",
    "syn": "synthetic",
    "real_syn": "real + synthetic",
}


def in_order(arms: Iterable[str]) -> list[str]:
    """Known arms first, as the paper has them; others by name."""
    known = list(_NAMES)
    return sorted(set(arms), key=lambda a: (known.index(a) if a in known else len(known), a))


def arm_name(arm: str) -> str:
    """An arm in words."""
    return _NAMES.get(arm, arm.replace("_", " "))


def contender_name(name: str) -> str:
    """``arm`` or ``arm of augmenter`` in words."""
    arm, _, augmenter = name.partition(" of ")
    return f"{arm_name(arm)}, {augmenter}" if augmenter else arm_name(arm)


def baseline_arms(arms: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Of ``arms`` in params.yaml, those of real images alone under the first seed."""
    return frozenset(name for name, a in arms.items() if a["images"] == "real" and _seed(a) == 0)


def noise_floors(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Of ``arms`` in params.yaml, those of real images alone under another seed: each with the baseline it repeats.

    What such an arm differs from its baseline by is what training alone varies by, so it is no contender, and no
    baseline either, for the best of two draws of one arm is better than that arm. "" where it repeats none.
    """
    first = baseline_arms(arms)
    found = {}
    for name, a in arms.items():
        if a["images"] == "real" and name not in first:
            found[name] = next((b for b in sorted(first) if _but_seed(arms[b]) == _but_seed(a)), "")
    return found


def _seed(arm: Mapping[str, Any]) -> int:
    return int(arm["seed"])


def _but_seed(arm: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in arm.items() if k != "seed"}

"""The arms of a comparison in the order and the words of the report."""

from collections.abc import Iterable

_NAMES = {
    "real": "real",
    "real_repeated": "real, repeated",
    "classic": "real, classic augmentation",
    "syn": "synthetic",
    "real_syn": "real + synthetic",
}


def in_order(arms: Iterable[str]) -> list[str]:
    """Known arms first, as the paper has them; others by name."""
    known = list(_NAMES)
    return sorted(set(arms), key=lambda a: (known.index(a) if a in known else len(known), a))


def spelled(arm: str) -> str:
    """An arm in words."""
    return _NAMES.get(arm, arm.replace("_", " "))

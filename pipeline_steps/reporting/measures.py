"""What distances between images are called: FID and KID name Inception's features, and nothing else does."""

from collections.abc import Iterable

DISTANCES = ("frechet_distance", "kernel_distance", "precision", "recall")  # each with its interval, in metrics/fid
_INCEPTION = "inception"
_NAMES = {"frechet_distance": ("FID", "Fréchet distance"), "kernel_distance": ("KID", "kernel distance")}


def named(measure: str, features: str) -> str:
    """A measure in words, such as ``Fréchet distance (shipped features)``.

    ``features``: the extractor that ``metrics/fid`` names. Heusel et al.'s FID and Bińkowski et al.'s KID are distances
    in the features of one Inception-v3; ``inception`` is that, under clean-fid's preprocessing.
    """
    if measure not in _NAMES:
        return measure.replace("_", " ")
    short, long = _NAMES[measure]
    if features == _INCEPTION:
        return short
    return f"{long} ({features} features)" if features else long


def names(features: Iterable[str]) -> dict[str, str]:
    """All distances' names in a run whose cells have ``features``, which are one and the same."""
    found = sorted(set(features))
    return {m: named(m, ", ".join(found)) for m in DISTANCES}

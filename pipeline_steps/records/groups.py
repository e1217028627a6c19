"""Groups of images that belong together (duplicates, patients): on one side of a split, and resampled whole."""

from collections.abc import Iterable, Sequence


def merge_groups(ids: Sequence[str], together: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Connected components: each id's group is named by the smallest id in it."""
    parent = {i: i for i in ids}

    def root(i: str) -> str:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in together:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return {i: root(i) for i in ids}

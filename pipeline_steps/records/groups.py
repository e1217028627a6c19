"""Groups of images that belong together (duplicates, patients): on one side of a split, and resampled whole."""

from collections.abc import Iterable, Sequence


def merge_groups(ids: Sequence[str], together: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Connected components: each id's group is named by the smallest id in it."""
    import numpy as np  # late: parameters of data sets are checked without
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    position = {name: n for n, name in enumerate(sorted(set(ids)))}
    pairs = np.array([(position[a], position[b]) for a, b in together], np.intp).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), np.intp), pairs.T), shape=(len(position), len(position)))
    _, component = connected_components(graph, directed=False)
    smallest: dict[int, str] = {}
    for name, number in zip(position, component, strict=True):
        smallest.setdefault(number, name)
    return {name: smallest[component[position[name]]] for name in ids}

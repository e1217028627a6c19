"""Cosine similarity of features: near-duplicates, nearest neighbours, and the label that most neighbours carry."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import triu
from sklearn.neighbors import radius_neighbors_graph

Features = npt.NDArray[np.float32]


def directions(features: Features, centre: Features) -> Features:
    """Rows (N, D) of ``features`` less ``centre`` (D,), scaled to unit length: their products are cosine similarities.

    Every cosine in this project is taken from the mean of the set that is compared with: of images among each other
    from theirs, to training images from those', to reference images from those'. Features lie in a narrow cone (the
    shipped network's and Inception's are averages behind a ReLU, so none is negative): seen from zero any two images
    look alike. The queries' own mean would not do: an image's nearest neighbour would depend on which others were
    generated with it.
    """
    away = features - centre
    unit: Features = away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    return unit.astype(np.float32, copy=False)


def cosine_similarity(queries: Features, references: Features) -> Features:
    """Cosine similarity (N, M) of queries (N, D) to references (M, D), from the references' mean."""
    centre = references.mean(0)
    similarity: Features = directions(queries, centre) @ directions(references, centre).T
    return similarity


def similarity_to_others(
    queries: Features, references: Features, groups: Sequence[str], reference_groups: Sequence[str]
) -> Features:
    """``cosine_similarity`` (N, M), with -inf where query and reference are of one group.

    A group is what shows one thing: an image, its near-duplicates, others of the same lesion or patient. An image that
    was generated is of its source's group.
    """
    similarity = cosine_similarity(queries, references)
    _, codes = np.unique([*groups, *reference_groups], return_inverse=True)
    similarity[codes[: len(groups), None] == codes[len(groups) :]] = -np.inf
    return similarity


def nearest(similarity: Features) -> tuple[npt.NDArray[np.intp], Features]:
    """For each query of ``similarity`` (N, M) the index of its nearest reference, and the cosine distance in [0, 2].

    The index is -1 and the distance infinite where all references are of the query's own group.
    """
    best = similarity.argmax(1)
    distance: Features = 1 - similarity[np.arange(len(best)), best]
    return np.where(np.isfinite(distance), best, -1), distance


def close_pairs(features: Features, threshold: float) -> list[tuple[int, int]]:
    """All pairs i < j of rows (N, D) whose cosine similarity, from the mean of all, is at least ``threshold``."""
    near = radius_neighbors_graph(features - features.mean(0), 1 - threshold, metric="cosine", include_self=False)
    rows, columns = triu(near, k=1).nonzero()
    return sorted(zip(rows.tolist(), columns.tolist(), strict=True))


def majority_label(similarity: Features, labels: npt.NDArray[np.str_], k: int) -> npt.NDArray[np.str_]:
    """Label (N,) that most of each query's ``k`` most similar references carry; ``similarity`` is (N, M).

    Of equally frequent labels the first in the alphabet wins. References at -inf have no vote; where no other is left
    the label is empty. (scikit-learn's classifier by neighbours knows no references that are left out for one query.)
    """
    names, codes = np.unique(labels, return_inverse=True)
    top = np.argsort(-similarity, axis=1, kind="stable")[:, : min(k, len(codes))]
    allowed = np.isfinite(np.take_along_axis(similarity, top, axis=1))
    votes = ((codes[top][..., None] == np.arange(len(names))) & allowed[..., None]).sum(1)
    winners: npt.NDArray[np.str_] = np.where(allowed.any(1), names[votes.argmax(1)], "")
    return winners

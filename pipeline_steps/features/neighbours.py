"""Nearest neighbours by cosine similarity, in blocks that fit in memory."""

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
_BLOCK = 1024


def normalised(features: Features) -> Features:
    """Centre-free unit rows (N, D)."""
    unit: Features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return unit.astype(np.float32, copy=False)


def close_pairs(features: Features, threshold: float) -> list[tuple[int, int, float]]:
    """All pairs i < j whose cosine similarity is at least ``threshold``, with that similarity."""
    unit, pairs = normalised(features), []
    for start in range(0, len(unit), _BLOCK):
        similarity = unit[start : start + _BLOCK] @ unit.T
        rows, columns = np.nonzero(similarity >= threshold)
        for r, c in zip(rows + start, columns, strict=True):
            if r < c:
                pairs.append((int(r), int(c), float(similarity[r - start, c])))
    return pairs


def majority_label(similarity: Features, labels: npt.NDArray[np.str_], k: int) -> npt.NDArray[np.str_]:
    """Label (N,) that most of each query's ``k`` most similar references carry; ``similarity`` is (N, M).

    Of equally frequent labels the first in the alphabet wins.
    """
    names, codes = np.unique(labels, return_inverse=True)
    top = np.argsort(-similarity, axis=1, kind="stable")[:, : min(k, len(codes))]
    votes = (codes[top][..., None] == np.arange(len(names))).sum(1)
    winners: npt.NDArray[np.str_] = names[votes.argmax(1)]
    return winners


def nearest(queries: Features, references: Features) -> tuple[npt.NDArray[np.intp], Features]:
    """For each query (N, D) the index of its nearest reference (M, D), and the cosine distance in [0, 2]."""
    q, r = normalised(queries), normalised(references)
    index = np.empty(len(q), np.intp)
    distance = np.empty(len(q), np.float32)
    for start in range(0, len(q), _BLOCK):
        similarity = q[start : start + _BLOCK] @ r.T
        best = similarity.argmax(1)
        index[start : start + _BLOCK] = best
        distance[start : start + _BLOCK] = 1 - similarity[np.arange(len(best)), best]
    return index, distance

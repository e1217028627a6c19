"""Nearest neighbours by cosine similarity, in blocks that fit in memory.

Features of a network that ends in rectified units all lie in one corner, where everything resembles everything; so
their angles are taken about the mean of the set that is compared with, everywhere.
"""

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
_BLOCK = 1024


def directions(features: Features, centre: Features) -> Features:
    """Rows (N, D) less ``centre`` (D,), scaled to unit length."""
    moved = features - centre
    unit: Features = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
    return unit.astype(np.float32, copy=False)


def similarities(queries: Features, references: Features) -> Features:
    """Cosine similarity (N, M) of queries (N, D) and references (M, D) about the references' mean."""
    centre = references.mean(0)
    found: Features = directions(queries, centre) @ directions(references, centre).T
    return found


def among_others(similarity: Features, groups: npt.NDArray[np.str_], others: npt.NDArray[np.str_]) -> Features:
    """``similarity`` (N, M) with -inf wherever query (groups (N,)) and reference (others (M,)) share a group."""
    return np.where(groups[:, None] == others[None], np.float32(-np.inf), similarity)


def close_pairs(features: Features, threshold: float) -> list[tuple[int, int, float]]:
    """All pairs i < j of rows (N, D) whose similarity about their mean is at least ``threshold``, with it."""
    unit, pairs = directions(features, features.mean(0)), []
    for start in range(0, len(unit), _BLOCK):
        similarity = unit[start : start + _BLOCK] @ unit.T
        rows, columns = np.nonzero(similarity >= threshold)
        for r, c in zip(rows + start, columns, strict=True):
            if r < c:
                pairs.append((int(r), int(c), float(similarity[r - start, c])))
    return pairs


def majority_label(similarity: Features, labels: npt.NDArray[np.str_], k: int) -> npt.NDArray[np.str_]:
    """Label (N,) that most of each query's ``k`` most similar references carry; ``similarity`` is (N, M).

    Of equally frequent labels the first in the alphabet wins. A reference at -inf has no vote; without any, "" wins.
    """
    names, codes = np.unique(labels, return_inverse=True)
    top = np.argsort(-similarity, axis=1, kind="stable")[:, : min(k, len(codes))]
    counts = np.isfinite(np.take_along_axis(similarity, top, axis=1))
    votes = ((codes[top][..., None] == np.arange(len(names))) & counts[..., None]).sum(1)
    winners: npt.NDArray[np.str_] = np.where(counts.any(1), names[votes.argmax(1)], "")
    return winners

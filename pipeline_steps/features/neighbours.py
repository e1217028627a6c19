"""Cosine similarity of features: near-duplicates, nearest neighbours, and the label that most neighbours carry."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_steps.statistics.blocks import row_blocks

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """Of each query its nearest reference and the label of most near ones.

    ``index`` (N,) of the nearest and its cosine ``distance`` in [0, 2]: -1 and infinite where all references are of the
    query's own group; there the ``label`` is empty.
    """

    index: npt.NDArray[np.intp]
    distance: Features
    label: npt.NDArray[np.str_]


def directions(features: Features, centre: Features) -> Features:
    """Rows (N, D) of ``features`` less ``centre`` (D,), scaled to unit length: their products are cosine similarities.

    Every cosine in this project is taken from the mean of the set that is compared with: of images among each other
    from theirs, to training images from those', to reference images from those'. Features lie in a narrow cone (the
    shipped network's and Inception's are averages behind a ReLU, so none is negative): seen from zero any two images
    look alike. The queries' own mean would not do: an image's nearest neighbour would depend on which others were
    generated with it.
    """
    away = features - centre
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
    return away.astype(np.float32, copy=False)


def similarity_to_others(
    queries: Features, references: Features, groups: Sequence[str], reference_groups: Sequence[str]
) -> Iterator[Features]:
    """Cosine similarity of queries (N, D) to references (M, D), (B, M) at a time; -inf where both are of one group.

    A group is what shows one thing: an image, its near-duplicates, others of the same lesion or patient. An image that
    was generated is of its source's group.
    """
    centre = references.mean(0)
    towards = directions(references, centre)
    codes = np.unique([*groups, *reference_groups], return_inverse=True)[1].astype(np.int32)
    own, others = codes[: len(groups), None], codes[len(groups) :]
    for rows in row_blocks(len(queries), 4 * max(references.shape)):
        similarity = directions(queries[rows], centre) @ towards.T
        similarity[own[rows] == others] = -np.inf
        yield similarity


def neighbours(similarity: Iterable[Features], labels: npt.NDArray[np.str_], k: int) -> Neighbours:
    """The nearest reference, and the label that most of the ``k`` most similar ones carry, in one pass.

    ``similarity`` to M references comes (B, M) at a time, and is used up; ``labels`` (M,) are theirs. References at
    -inf have no vote. Of equally frequent labels the first in the alphabet wins. (scikit-learn's classifier by
    neighbours knows no references that are left out for one query.)
    """
    names, codes = np.unique(labels, return_inverse=True)
    found = [_most_similar(block, min(k, len(codes))) for block in similarity]
    index, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    allowed = np.isfinite(values)
    winners = np.where(allowed[:, 0], names[_majority(codes[index], allowed, len(names))], "")
    return Neighbours(np.where(allowed[:, 0], index[:, 0], -1), 1 - values[:, 0], winners)


def _most_similar(similarity: Features, k: int) -> tuple[npt.NDArray[np.intp], Features]:
    """Index and value (B, k) of each row's ``k`` largest, the largest first, of equal ones the first; overwrites it."""
    rows, index = np.arange(len(similarity)), np.empty((len(similarity), k), np.intp)
    values = np.empty((len(similarity), k), np.float32)
    for place in range(k):
        index[:, place] = similarity.argmax(1)
        values[:, place] = similarity[rows, index[:, place]]
        similarity[rows, index[:, place]] = -np.inf
    return index, values


def _majority(codes: npt.NDArray[np.intp], allowed: npt.NDArray[np.bool_], names: int) -> npt.NDArray[np.intp]:
    """The code (N,) that occurs most among the ``allowed`` ones of each row (N, k), of equally frequent ones the least.

    Counted for the codes that a row has, and not for all ``names``, of which there may be many more.
    """
    best = np.full(len(codes), -1)
    for place in range(codes.shape[1]):
        votes = ((codes == codes[:, [place]]) & allowed).sum(1)
        ranked = np.where(allowed[:, place], votes * names + names - 1 - codes[:, place], -1)
        best = np.maximum(best, ranked)
    return np.asarray(names - 1 - best % names)


def close_pairs(features: Features, threshold: float) -> list[tuple[int, int]]:
    """All pairs i < j of rows (N, D) whose cosine similarity, from the mean of all, is at least ``threshold``."""
    towards, pairs = directions(features, features.mean(0)), list[tuple[int, int]]()
    for rows in row_blocks(len(features), 4 * max(features.shape)):
        similarity = towards[rows] @ towards[rows.start :].T
        i, j = np.nonzero(np.triu(similarity >= threshold, 1))
        pairs += zip((i + rows.start).tolist(), (j + rows.start).tolist(), strict=True)
    return pairs

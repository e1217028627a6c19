"""How well the pattern of missing facts predicts a label.

Facts may be missing for a reason that has to do with the label (a questionnaire that only patients with a biopsy
filled in): then whoever drops rows with blanks, or feeds them to a model, changes or gives away the label.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.stage.params import Params

Codes = npt.NDArray[np.intp]


class MissingnessParams(Params):
    """How the prediction is made and tested.

    ``folds`` of cross-validation by group; ``depth`` of the decision tree; ``permutations`` of the labels for each
    p-value; ``significance``: the p-value at which the prediction counts as above chance.
    """

    folds: int
    depth: int
    permutations: int
    significance: float
    seed: int


def missingness(missing: pd.DataFrame, labels: pd.Series, groups: pd.Series, p: MissingnessParams) -> dict[str, object]:
    """What the facts that are ``missing`` (bool, a row an image, a column a fact) say about the labels.

    Together: balanced accuracy (mean recall of the labels) of a decision tree that sees nothing else, cross-validated
    by whole groups, beside chance, 1 / labels. Each: the share that is missing and Cramér's V with the label (Cramér
    1946, ch. 21; 0 to 1). P-values are those of permutations that exchange the labels of whole groups of one size,
    (1 + at least as large) / (1 + permutations) (Phipson and Smyth 2010), without a correction for several facts.
    Null where nothing is missing in some rows alone, or where there are fewer than two labels or too few groups.
    """
    varies = missing.loc[:, missing.any() & ~missing.all()]
    names, y = np.unique(labels.to_numpy(str), return_inverse=True)
    _, g = np.unique(groups.to_numpy(str), return_inverse=True)
    found: dict[str, object] = {
        "images": len(y),
        "labels": len(names),
        "chance": 1 / len(names) if len(names) else None,
        "balanced_accuracy": None,
        "p": None,
        "above_chance": False,
        "facts": {},
    }
    if not varies.shape[1] or len(names) < 2 or len(set(g)) < p.folds:
        return found
    x, folds = varies.to_numpy(bool), _folds(g, p)
    shuffled = list(_shuffles(y, g, p))
    accuracy, chance = _predicted(x, y, folds, p), np.array([_predicted(x, s, folds, p) for s in shuffled])
    v, by_chance = cramers_v(x, y), np.array([cramers_v(x, s) for s in shuffled])
    p_of_accuracy = _p_value(accuracy, chance)
    facts = {
        str(fact): {"missing": x[:, i].mean(), "cramers_v": v[i], "p": _p_value(v[i], by_chance[:, i])}
        for i, fact in enumerate(varies)
    }
    above = bool(p_of_accuracy <= p.significance and accuracy > 1 / len(names))
    return found | {"balanced_accuracy": accuracy, "p": p_of_accuracy, "above_chance": above, "facts": facts}


def cramers_v(x: npt.NDArray[np.bool_], y: Codes) -> npt.NDArray[np.float64]:
    """Cramér's V (F,) of each column of ``x`` (N, F), which must vary, with the labels ``y`` (N,), 0 to k - 1."""
    n, of_label = len(y), np.bincount(y)
    both = np.stack([np.bincount(y[column], minlength=len(of_label)) for column in x.T])  # (F, k)
    expected = x.sum(0)[:, None] * of_label / n
    # Of the two rows of each table; the deviations of the second are those of the first with another sign.
    chi_square = ((both - expected) ** 2 * (1 / expected + 1 / (of_label - expected))).sum(1)
    return np.sqrt(chi_square / n)


def _folds(groups: Codes, p: MissingnessParams) -> list[tuple[Codes, Codes]]:
    from sklearn.model_selection import GroupKFold  # late: most data sets lack nothing, and never come here

    return list(GroupKFold(p.folds, shuffle=True, random_state=p.seed).split(groups, groups=groups))


def _predicted(x: npt.NDArray[np.bool_], y: Codes, folds: list[tuple[Codes, Codes]], p: MissingnessParams) -> float:
    """Balanced accuracy of what the folds' trees say about the images that they did not see."""
    from sklearn.tree import DecisionTreeClassifier

    hit = np.empty(len(y), bool)
    for train, test in folds:
        tree = DecisionTreeClassifier(max_depth=p.depth, class_weight="balanced", random_state=p.seed)
        hit[test] = tree.fit(x[train], y[train]).predict(x[test]) == y[test]
    return float((np.bincount(y, hit) / np.bincount(y)).mean())


def _shuffles(y: Codes, groups: Codes, p: MissingnessParams) -> Iterator[Codes]:
    """Labels, exchanged between groups of one size: images of a patient have much in common, labels and blanks too."""
    rng = np.random.default_rng(p.seed)
    order, sizes = np.argsort(groups, kind="stable"), np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    rows = [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]  # (groups, size)
    for _ in range(p.permutations):
        out = y.copy()
        for members in rows:
            out[members] = y[rng.permutation(members)]
        yield out


def _p_value(seen: float, by_chance: npt.NDArray[np.float64]) -> float:
    return float((1 + (by_chance >= seen - 1e-12).sum()) / (1 + len(by_chance)))

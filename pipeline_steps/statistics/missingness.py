"""How well the pattern of missing facts predicts a label.

Facts may be missing for a reason that has to do with the label (a questionnaire that only patients with a biopsy
filled in): then whoever drops rows with blanks, or feeds them to a model, changes or gives away the label.
"""

import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline_steps.parameters.audit import MissingnessParams

Codes = npt.NDArray[np.intp]


def missingness(missing: pd.DataFrame, labels: pd.Series, groups: pd.Series, p: MissingnessParams) -> dict[str, object]:
    """What the facts that are ``missing`` (bool, a row an image, a column a fact) say about the labels.

    How well: balanced accuracy (mean recall of the labels) of a decision tree that sees nothing else, cross-validated
    by whole groups, beside chance, 1 / labels. Whether at all: Cramér's V (Cramér 1946, ch. 21; 0 to 1) of the whole
    pattern, and of each fact alone, with the label; its p-value is that of permutations which exchange the labels of
    whole groups of one size, (1 + at least as large) / (1 + permutations) (Phipson and Smyth 2010); those of single
    facts are not corrected for their number. V has power where accuracy has none: of many labels that share a pattern a
    tree can name but one. Null where no fact is missing in some rows alone, with one label, or with too few groups;
    accuracy alone where no label has an image for each fold.
    """
    varies = missing.loc[:, missing.any() & ~missing.all()]
    names, y = np.unique(labels.to_numpy(str), return_inverse=True)
    _, g = np.unique(groups.to_numpy(str), return_inverse=True)
    found: dict[str, object] = {
        "images": len(y),
        "labels": len(names),
        "chance": 1 / len(names) if len(names) else None,
        **dict.fromkeys(("balanced_accuracy", "cramers_v", "p")),
        "predicts_label": False,
        "facts": {},
    }
    if not varies.shape[1] or len(names) < 2 or len(set(g)) < p.folds:
        return found
    x = varies.to_numpy(bool)
    _, pattern = np.unique(x, axis=0, return_inverse=True)
    columns = [pattern, *x.T.astype(np.intp)]
    v, *by_chance = (np.array([cramers_v(column, s) for column in columns]) for s in (y, *_shuffles(y, g, p)))
    p_values = (1 + (np.array(by_chance) >= v - 1e-12).sum(0)) / (1 + p.permutations)
    facts = {
        str(fact): {"missing": share, "cramers_v": v[i], "p": p_values[i]}
        for i, (fact, share) in enumerate(varies.mean().items(), start=1)
    }
    return found | {
        "balanced_accuracy": _predicted(x, y, g, p),
        "cramers_v": v[0],
        "p": p_values[0],
        "predicts_label": bool(p_values[0] <= p.significance),
        "facts": facts,
    }


def cramers_v(a: Codes, b: Codes) -> float:
    """Cramér's V of two variables (N,) of at least two values each, coded 0, 1 ... without a gap."""
    shape = (a.max() + 1, b.max() + 1)
    both = np.bincount(a * shape[1] + b, minlength=shape[0] * shape[1]).reshape(shape)
    expected = np.outer(both.sum(1), both.sum(0)) / len(a)
    chi_square = ((both - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi_square / (len(a) * (min(shape) - 1))))


def _predicted(x: npt.NDArray[np.bool_], y: Codes, groups: Codes, p: MissingnessParams) -> float | None:
    """Balanced accuracy of what the folds' trees say about the images that they did not see; None of too few."""
    if np.bincount(y).max() < p.folds:
        return None
    from sklearn.model_selection import StratifiedGroupKFold  # late: most data sets lack nothing, and never come here
    from sklearn.tree import DecisionTreeClassifier

    hit = np.zeros(len(y), bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of labels with fewer images than folds: they count as not named
        folds = list(StratifiedGroupKFold(p.folds, shuffle=True, random_state=p.seed).split(x, y, groups))
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

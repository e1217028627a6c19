"""Who goes to validation: the groups that were always taken, found without a scan of the table for each."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_settings import PARAMS

from pipeline_steps.split import _carve_validation

# Of 1 to 80 images: a group, a condition and a partition each. Group "é" and "Z" sort by code point.
IMAGES = st.lists(
    st.tuples(
        st.sampled_from([*"abcdefghZé", "a1", "a10", "a2"]), st.sampled_from("xyz"), st.sampled_from(["train", "test"])
    ),
    min_size=1,
    max_size=80,
)


def _group_by_group(partition, study, params, draw):
    """As it was defined: the rows of each chosen group are looked up in the table and moved."""
    out = partition.copy()
    train = study[out == "train"]
    members = dict(train.groupby("group").groups)
    for number, (_, rows) in enumerate(train.groupby("condition", sort=True)):
        rng = np.random.default_rng([params.seed, draw, number, 7])
        quota, taken = round(params.validation_fraction * len(rows)), 0
        for name in rng.permutation(sorted(set(rows["group"]))):
            mine = members.get(name, [])
            if taken + len(mine) <= quota:
                out[mine] = "validation"
                taken += len(mine)
                members.pop(name, None)
    return out


@settings(deadline=None, max_examples=200)
@given(IMAGES, st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]), st.integers(0, 3), st.integers(0, 5))
def test_the_same_groups_are_taken_as_one_by_one(images, fraction, draw, first):
    index = np.arange(len(images)) * 3 + first  # the study's rows are some of the table's
    groups, conditions, partitions = (list(column) for column in zip(*images, strict=True))
    study = pd.DataFrame({"group": groups, "condition": conditions}, index=index)
    partition = pd.Series(partitions, index=index)
    params = PARAMS.model_copy(update={"validation_fraction": fraction})
    expected = _group_by_group(partition, study, params, draw)
    pd.testing.assert_series_equal(_carve_validation(partition, study, params, draw), expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_groups_are_taken_of_a_thousand(seed):
    rng = np.random.default_rng(seed)
    study = pd.DataFrame({"group": [f"p{i}" for i in rng.integers(700, size=1000)]})
    study["condition"] = [f"c{i}" for i in rng.integers(30, size=1000)]
    partition = pd.Series(rng.choice(["train", "test", "reference"], 1000))
    params = PARAMS.model_copy(update={"seed": seed, "validation_fraction": 0.15})
    expected = _group_by_group(partition, study, params, seed)
    assert (expected == "validation").sum() > 20
    pd.testing.assert_series_equal(_carve_validation(partition, study, params, seed), expected)

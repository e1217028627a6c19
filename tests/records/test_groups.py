"""Groups that share a member are one."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline_steps.records.groups import merge_groups


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))))
def test_groups_are_connected_components(pairs):
    ids = [f"{i:02d}" for i in range(21)]
    groups = merge_groups(ids, [(ids[a], ids[b]) for a, b in pairs])
    assert all(groups[ids[a]] == groups[ids[b]] for a, b in pairs)
    assert all(groups[name] <= name and groups[groups[name]] == groups[name] for name in ids)

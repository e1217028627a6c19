"""An overlay merges models, replaces the rest, and reads the environment when it is chosen."""

import pytest

from pipeline_steps.configuration.overlay import merged, resolved


def test_an_overlay_merges_models_and_replaces_values_lists_and_maps_of_free_keys():
    base = {"a": {"b": [1, 2], "c": None, "phrases": {"x": 1}}, "words": {"person": {"1": "x"}, "skin": {"1": "y"}}}
    overlay = {"a": {"b": [3], "phrases": {"y": 2}}, "words": {"person": {"2": "z"}}}
    assert merged(base, overlay) == {
        "a": {"b": [3], "c": None, "phrases": {"y": 2}},
        "words": {"person": {"2": "z"}, "skin": {"1": "y"}},
    }
    assert merged({"prior": {"weight": 1.0}}, {"prior": None}) == {"prior": None}
    assert merged({"a": {"b": 1}}, {"a": {"__replace__": True, "c": 2}}) == {"a": {"c": 2}}
    with pytest.raises(ValueError, match=r"a\.b of the overlay .* not of one kind"):
        merged({"a": {"b": 1}}, {"a": {"b": {"c": 1}}})


def test_an_overlay_reads_the_environment_now(monkeypatch):
    monkeypatch.setenv("EQUIDERM_X", "/data")
    assert resolved({"a": "${EQUIDERM_X}/y"}) == {"a": "/data/y"}
    monkeypatch.delenv("EQUIDERM_X")
    assert resolved({"a": ["${EQUIDERM_X:-fallback}/y"]}) == {"a": ["fallback/y"]}
    with pytest.raises(ValueError, match=r"a\.b needs the environment variable EQUIDERM_X"):
        resolved({"a": {"b": "${EQUIDERM_X}"}})

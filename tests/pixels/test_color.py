"""CIELAB and the individual typology angle against known colours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_steps.pixels.color import (
    individual_typology_angle,
    lab_from_srgb,
    linear_from_lab,
    srgb_from_linear,
)
from pipeline_steps.records.skin_types import type_from_ita


@given(st.tuples(*[st.floats(0.02, 0.98)] * 3))
def test_lab_round_trip(rgb):
    srgb = np.array(rgb, np.float32)
    assert np.allclose(srgb_from_linear(linear_from_lab(lab_from_srgb(srgb))), srgb, atol=2e-3)


def test_lab_of_known_colours():
    assert np.allclose(lab_from_srgb(np.array([1, 1, 1], np.float32)), [100, 0, 0], atol=0.05)
    assert np.allclose(lab_from_srgb(np.array([1, 0, 0], np.float32)), [53.24, 80.09, 67.20], atol=0.1)


def test_ita_bands():
    assert individual_typology_angle(np.array([70.0, 5, 20], np.float32)) == pytest.approx(45, abs=1e-3)
    assert [type_from_ita(v) for v in (60, 50, 30, 20, 0, -40, -90)] == [1, 2, 3, 4, 5, 6, 6]

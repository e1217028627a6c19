"""Intervals of accuracy over images or draws."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from studies import scored

from pipeline_steps.reporting.intervals import accuracy_points


def test_one_draw_has_its_interval_over_images_and_several_have_one_over_draws():
    rows = pd.DataFrame([scored("real", 0, "5", 0.5), scored("syn", 0, "5", 0.4), scored("syn", 1, "5", 0.6)])
    points = accuracy_points(rows, 0.25, 10).set_index("arm")
    assert tuple(points.loc["real", ["low", "high"]]) == (0.4, 0.7)
    half = stats.t.ppf(0.975, 1) * np.sqrt((1 / 2 + 0.25) * 0.02)
    assert half > 0.5, "wider than all that is possible, so cut off"
    assert tuple(points.loc["syn", ["accuracy", "low", "high"]]) == (0.5, 0.0, 1.0)
    four = pd.DataFrame([scored("syn", d, "5", 0.5 + 0.01 * (-1) ** d) for d in range(4)])
    (point,) = accuracy_points(four, 0.25, 10).to_dict("records")
    half = stats.t.ppf(0.975, 3) * np.sqrt((1 / 4 + 0.25) * 4 / 3) * 0.01
    assert (point["low"], point["high"]) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_draws_without_spread_have_no_bar():
    (point,) = accuracy_points(pd.DataFrame([scored("syn", d, "5") for d in range(2)]), 0.25, 10).to_dict("records")
    assert np.isnan([point["low"], point["high"]]).all()

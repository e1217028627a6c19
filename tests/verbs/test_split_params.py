"""Parameters of the split that have no meaning are refused."""

import re

import pytest
from pydantic import ValidationError
from split_settings import PARAMS, dose

from pipeline_steps.split import SplitParams
from pipeline_steps.stage.mistakes import mistakes


@pytest.mark.parametrize(
    ("scenario", "line"),
    [
        ("iv", r"split\.scenarios\.0 is 'iv', none of i, ii, iii"),
        (dose(0), r"split\.scenarios\.0\.images_per_condition is 0: it should be greater than 0"),
        ({"scenario": "iii"}, r"split\.scenarios\.0 lacks images_per_condition"),
        ({**dose(3), "images": 3}, r"split\.scenarios\.0\.images is no parameter; did you mean images_per_condition"),
    ],
)
def test_unknown_scenarios_and_doses_are_refused(scenario, line):
    (mistake,) = mistakes(SplitParams, {**PARAMS.model_dump(), "scenarios": [scenario]}, "split")
    assert re.match(line, mistake), mistake


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"sampler": "per_tpye"}, "sampler"),
        ({"leakage": "ignore"}, "leakage"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"flexible_per_condition": -1}, "flexible_per_condition"),
    ],
)
def test_settings_of_no_meaning_are_refused(changes, where):
    with pytest.raises(ValidationError, match=where):
        SplitParams.model_validate({**PARAMS.model_dump(), **changes})

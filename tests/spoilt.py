"""Parameters with mistakes in them, and what is said of these."""

import pytest
from conftest import whole

from pipeline_steps.configuration.check import checked_cells
from pipeline_steps.stage.params import ParamsError

DEFAULT = whole("endpoints")
DEFAULT["grid"] = whole()["grid"]
DEFAULT["augmenters"] = whole()["augmenters"] | DEFAULT["augmenters"]


def spoil(params, place, value):
    *parents, last = place.split(".")
    node = params
    for key in parents:
        node = node[key]
    node[last] = value


def mistakes_in(params):
    with pytest.raises(ParamsError) as caught:
        checked_cells(params)
    return str(caught.value)

"""Templates of captions: chosen by image, exceptions by condition, refused without their places."""

import pytest

from pipeline_steps.captions.template import Templates, check_template
from pipeline_steps.stage.errors import DataError


def test_templates_are_chosen_by_image_and_exceptions_by_condition():
    made = Templates(("a {token} {level}", "b {token} {level}"), {"psoriasis": "c {token} {level}"})
    said = {made.caption("folliculitis", f"i{n}") for n in range(40)}
    assert said == {"a {token} {level}", "b {token} {level}"}
    assert made.caption("folliculitis", "i1") == made.caption("folliculitis", "i1")
    assert made.caption("psoriasis", "i1") == "c {token} {level}"


@pytest.mark.parametrize("text", ["no places", "{token} only", "{token} {level} {age}", "{token} {level} {token}"])
def test_templates_without_their_places_are_refused(text):
    with pytest.raises(DataError, match="must hold"):
        check_template(text)

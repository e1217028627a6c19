"""No image ends a stage: thousands that nobody listed."""

import pytest

from benchmarks import fuzz_images


@pytest.mark.slow
def test_no_image_ends_in_a_traceback():
    found = fuzz_images.run(1500, 0)
    assert found["tracebacks"] == {}
    assert found["tried"] == 4500
    assert found["read"] > 300

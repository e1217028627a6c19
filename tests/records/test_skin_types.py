"""Cells of tables that hold skin types."""

import pytest

from pipeline_steps.records.skin_types import parse_skin_type


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2.0", (2, "12")),
        (4, (4, "34")),
        ("VI", (6, "56")),
        ("FST5", (5, "56")),
        ("12", (None, "12")),
        ("\u2163", (4, "34")),  # the numeral as one character
        ("\u00a0V\u00a0", (5, "56")),  # blanks that do not break
        ("\u2160\u2013\u2161", (None, "12")),
        ("not\u00a0reported", (None, None)),
        ("-1", (None, None)),
        ("", (None, None)),
        (float("nan"), (None, None)),
    ],
)
def test_skin_type_cells(raw, expected):
    assert parse_skin_type(raw) == expected


@pytest.mark.parametrize("raw", ["7", "2.5", "dark", "1e9"])
def test_skin_type_refuses(raw):
    with pytest.raises(ValueError, match="is not 1-6"):
        parse_skin_type(raw)

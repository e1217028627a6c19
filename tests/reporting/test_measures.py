"""Measures as the report shows them: a Fréchet distance is called FID in Inception's features, and nowhere else."""

import json
import re

import pytest
from conftest import ROOT

from pipeline_steps.measures.classifiers.table import CLASSIFIERS
from pipeline_steps.measures.images.frechet import FRECHET
from pipeline_steps.measures.images.kernel import KERNEL
from pipeline_steps.measures.images.manifold import PRECISION, RECALL
from pipeline_steps.measures.images.table import COUNTED, DISTANCES
from pipeline_steps.measures.segmenters.table import SEGMENTERS
from pipeline_steps.records.populations import SKIN_TYPE
from pipeline_steps.reporting.blocks import Measured
from pipeline_steps.reporting.measures import named
from pipeline_steps.reporting.results import _by_type, _rests_on, gather
from pipeline_steps.reporting.sections.distances import measured as measured_cells

SCREENED = {
    "generated": 9,
    "accepted": 8,
    "rejected": {"memorised": 1},
    "class_consistency": {"5": {"agrees": 0.666667, "images": 3}, "6": {"agrees": 0.0, "images": 1}},
    "memorisation": {"images": 7, "groups": 5, "wanted": 0.01, "too_few": True},
    "skin_tone": {
        "real_images": {"all": {"images": 7, "exact": 0.5, "misjudged": 0.25, "right_side": 0.75}},
        "rejects_nothing_because": {"5": "its error is not known"},
    },
}


@pytest.mark.parametrize(
    ("features", "frechet", "kernel"),
    [
        ("inception", "FID", "KID"),
        ("shipped", "Fréchet distance (shipped features)", "kernel distance (shipped features)"),
        ("clip", "Fréchet distance (clip features)", "kernel distance (clip features)"),
    ],
)
def test_fid_is_inceptions(features, frechet, kernel):
    found = [named(m, [features, features]) for m in (FRECHET, KERNEL, PRECISION, RECALL)]
    assert found == [frechet, kernel, "precision", "recall"]
    assert named(FRECHET, []) == "Fréchet distance", "of a run that measured none"


@pytest.mark.parametrize("table", [CLASSIFIERS, (*DISTANCES, *COUNTED), SEGMENTERS])
def test_a_table_of_measures_has_each_name_once_and_bounds_in_order(table):
    assert len({m.name for m in table}) == len({m.heading for m in table}) == len(table)
    assert all(m.bounds[0] < m.bounds[1] for m in table)
    assert all(m.better in ("higher", "lower") and m.unit in ("%", "points", "") for m in table)


def test_a_title_says_unit_and_direction():
    gap = next(m for m in CLASSIFIERS if m.name == "gap")
    assert (gap.title(), FRECHET.title("FID")) == ("gap, points ↓", "FID ↓")


def test_what_is_written_and_printed_names_no_network_but_the_one_that_was_used():
    """No fixed heading, key or column says FID or KID: they come from the table of measures alone."""
    files = [*(ROOT / "pipeline_steps").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
    spoken = [f for f in files if re.search(r"""["']([FK]ID\b|[fk]id(_\w+)?["'])""", f.read_text("utf-8"))]
    assert {f.name for f in spoken} <= {
        "frechet.py",
        "kernel.py",
        "score_fid.py",
        "results.py",
        "sections.py",
    }  # the last names the parameters' section
    page = (ROOT / "pipeline_steps/reporting/page.html").read_text("utf-8")
    assert not re.search(r"\b[FK]ID\b", page)


@pytest.fixture
def cell(tmp_path):
    """Metrics of one cell, and what the report makes of them."""

    def write(distances):
        (tmp_path / "screen").mkdir(exist_ok=True)
        (tmp_path / "fid").mkdir(exist_ok=True)
        (tmp_path / "screen/one-iii-0.json").write_text(json.dumps(SCREENED))
        light = {"frechet_distance": 99.0}
        scored = {"features": "clip", "all": distances, "condition_accuracy": {}, "majority_training_images": light}
        (tmp_path / "fid/one-iii-0.json").write_text(json.dumps(scored))
        cells = {k: {} for k in ("train_classifier", "train_segmenter", "score_masks")}
        made = {"one-iii-0": {"augmenter": "one", "split": "iii-0"}}
        return gather({**cells, "generate": made, "screen": made}, tmp_path, SKIN_TYPE)

    return write


def test_distances_are_read_with_their_features_and_intervals(cell):
    measured = {"frechet_distance": 3.0, "kernel_distance": -0.1, "precision": 0.5, "recall": 0.25}
    intervals = {f"{m}_interval": [v - 1, v + 1] for m, v in measured.items()} | {"recall_interval": [None, None]}
    r = cell({"real": 5, **measured, **intervals})
    (row,) = r.images.to_dict("records")
    assert {m: row[m] for m in measured} == measured
    assert (row["features"], row["frechet_distance_of_majority_training_images"]) == ("clip", 99.0)
    found = [cell for cell in measured_cells(row) if isinstance(cell, Measured)]
    assert found == [
        Measured("3.000", "2.000 to 4.000"),
        Measured("-0.100", "-1.100 to 0.900"),
        Measured("0.500", "-0.500 to 1.500"),
        Measured("0.250"),
    ]


def test_what_few_images_say_is_told_in_counts():
    assert _by_type(SCREENED["class_consistency"], SKIN_TYPE) == "V: 2 of 3, VI: 0 of 1"
    limit = SCREENED["memorisation"]
    assert _rests_on(limit) == "7 held-out images of 5 groups, too few for 1 %"
    assert _rests_on({**limit, "images": 400, "groups": 300, "too_few": False}) == "400 held-out images of 300 groups"
    assert _rests_on({**limit, "images": 0}).startswith("no held-out image")


def test_what_could_not_be_measured_is_empty_and_says_why(cell):
    (row,) = cell({"real": 5, "unavailable": "fewer than 8 images"}).images.to_dict("records")
    cells = measured_cells(row)
    assert [c for c in cells if isinstance(c, Measured)] == [Measured("")] * len(DISTANCES)
    assert cells[-1] == "fewer than 8 images"

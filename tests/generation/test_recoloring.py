"""Skin-tone transfer by colour alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data_sets import write_data_set

from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.generation.jobs import Inputs, plan_jobs
from pipeline_steps.generation.modes.tone_transfer import ToneTransferParams
from pipeline_steps.generation.recoloring import recolor, with_ita
from pipeline_steps.generation.synthetic import pixels_of
from pipeline_steps.pixels.images import png_bytes
from pipeline_steps.pixels.ita import border_ita
from pipeline_steps.records.skin_types import type_from_ita
from pipeline_steps.stage.errors import DataError

RANGES = {1: (55, 70), 2: (41, 55), 3: (28, 41), 4: (10, 28), 5: (-30, 10), 6: (-55, -30)}


@pytest.fixture(autouse=True)
def items(tmp_path, monkeypatch):
    """A store of the test's own."""
    monkeypatch.setenv("EQUIDERM_ITEMS", str(tmp_path / "items"))


def _params(**changes):
    values = {
        "images_per_source": 2,
        "max_sources": 0,
        "target_levels": ("5", "6"),
        "level_choice": "random",
        "seed": 0,
        "feather": 1.0,
    }
    given = {"mode": "tone_transfer", "region": "outside_mask", "ita": RANGES}
    return ToneTransferParams.model_validate(values | given | changes)


def _dataset(folder: Path, *, has_mask: bool = True):
    """Six light phantoms as ``ingest`` leaves them."""
    drawn = [render_condition("psoriasis", 1 + i % 2, i) for i in range(6)]
    manifest = pd.DataFrame({"image_id": [f"p{i}" for i in range(6)]})
    write_data_set(
        folder, manifest, [d.image for d in drawn], [np.asarray(d.mask) for d in drawn] if has_mask else None
    )
    train = manifest.assign(condition="psoriasis", level=[str(1 + i % 2) for i in range(6)])
    return drawn, train.assign(sha256=[str(i) for i in range(6)]), Inputs(*[folder] * 5)


@pytest.mark.parametrize("target", RANGES)
def test_the_border_gets_the_wanted_angle(target):
    rng = np.random.default_rng(target)
    for seed in range(5):
        image = render_condition("folliculitis", 1 + seed, seed).image
        wanted = float(rng.uniform(*RANGES[target]))
        made = with_ita(image, np.zeros(image.shape[:2], np.float32), wanted)
        assert abs(border_ita(made[None])[0] - wanted) < 4


def test_images_show_their_target_type_and_keep_the_lesion(tmp_path, monkeypatch):
    drawn, train, inputs = _dataset(tmp_path)
    params = _params()
    jobs = plan_jobs(train, params)
    made = recolor(params, inputs, jobs, train)
    files = list(made.files)
    assert (recolor(params, inputs, jobs, train).computed, made.computed) == (0, len(jobs)), "each is made once"
    monkeypatch.setenv("EQUIDERM_ITEMS", str(tmp_path / "others"))
    assert files == list(recolor(params, inputs, jobs, train).files), "bits repeat"
    images = np.stack([pixels_of(file) for file in made.files])
    kept = [np.array_equal(i[m], drawn[int(j.source_id[1:])].image[m]) for i, j, m in _with_masks(images, jobs, drawn)]
    assert all(kept)
    shown = np.array([type_from_ita(float(v)) for v in border_ita(images)])
    wanted = np.array([int(j.target_level) for j in jobs])
    assert (np.abs(shown - wanted) <= 1).all()
    assert {5, 6} == set(wanted)


def _with_masks(images, jobs, drawn):
    return [(image, job, drawn[int(job.source_id[1:])].mask) for image, job in zip(images, jobs, strict=True)]


def test_without_masks_it_says_so_or_recolours_everything(tmp_path):
    drawn, train, inputs = _dataset(tmp_path, has_mask=False)
    jobs = plan_jobs(train, _params())
    with pytest.raises(DataError, match="12 of 12 images have no lesion mask"):
        recolor(_params(), inputs, jobs, train)
    whole = recolor(_params(region="everywhere"), inputs, jobs, train)
    mask = drawn[0].mask
    first = pixels_of(whole.files[0])
    assert (first[mask] != drawn[0].image[mask]).any()
    assert whole.files[0] != png_bytes(drawn[0].image)


def test_a_target_type_needs_a_range(tmp_path):
    _, train, inputs = _dataset(tmp_path)
    lacking = _params(ita={5: (-30, 10)})
    with pytest.raises(DataError, match="no ita range for level 6"):
        recolor(lacking, inputs, plan_jobs(train, lacking), train)


def test_target_types_are_drawn_or_taken_in_turn(tmp_path):
    _, train, _ = _dataset(tmp_path)
    balanced = plan_jobs(train, _params(level_choice="balanced", images_per_source=4))
    by_source = pd.DataFrame({"source": [j.source_id for j in balanced], "type": [j.target_level for j in balanced]})
    assert (by_source.groupby(["source", "type"]).size() == 2).all()
    assert len({j.target_level for j in balanced if j.copy == 0}) == 2, "sources begin with different types"
    drawn = plan_jobs(train, _params(images_per_source=4))
    assert [j.seed for j in drawn] == [j.seed for j in balanced], "the noise does not depend on the choice"
    own = train.assign(level="6")
    assert {j.target_level for j in plan_jobs(own, _params(level_choice="balanced"))} == {"6"}

"""The phantom: same arguments, same bytes; tones in their bands; masks and attributes exact."""

import numpy as np
import pytest

from pipeline_steps.datasets import phantom_table1
from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.marks import COLOURS, KINDS
from pipeline_steps.datasets.phantom.render import render_condition, render_marks
from pipeline_steps.datasets.phantom.skin import draw_tone
from pipeline_steps.pixels.color import individual_typology_angle
from pipeline_steps.pixels.ita import border_ita
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES, type_from_ita


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_seed_is_an_image(condition):
    a, b, c = (render_condition(condition, 5, seed) for seed in (3, 3, 4))
    assert (a.image == b.image).all()
    assert (a.mask == b.mask).all()
    assert a.attributes == b.attributes
    assert (a.image != c.image).any()


@pytest.mark.parametrize("condition", CONDITIONS)
def test_size_changes_resolution_not_content(condition):
    small, large = render_condition(condition, 2, 11, 32), render_condition(condition, 2, 11, 96)
    assert small.attributes == large.attributes
    blocks = large.mask.reshape(32, 3, 32, 3).mean((1, 3)) > 0.5
    both, either = (blocks & small.mask).sum(), (blocks | small.mask).sum()
    assert both / either > 0.5


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("skin_type", FITZPATRICK_TYPES)
def test_the_mask_covers_the_lesion(condition, skin_type):
    for seed in range(4):
        mask = render_condition(condition, skin_type, seed).mask
        assert 0.004 < mask.mean() < 0.65


@pytest.mark.parametrize("skin_type", FITZPATRICK_TYPES)
def test_tones_lie_in_their_bands(skin_type):
    rng = np.random.default_rng(skin_type)
    angles = [individual_typology_angle(np.array(draw_tone(rng, skin_type).lab, np.float32)) for _ in range(300)]
    assert {type_from_ita(float(a)) for a in angles} == {skin_type}


def test_photographs_keep_their_skin_type_near():
    images = np.stack([render_marks(t, seed, marks=()).image for t in FITZPATRICK_TYPES for seed in range(30)])
    measured = np.array([type_from_ita(float(a)) for a in border_ita(images)])
    drawn = np.repeat(FITZPATRICK_TYPES, 30)
    assert (np.abs(measured - drawn) <= 1).mean() > 0.97


def test_erythema_loses_redness_and_contrast_on_dark_skin():
    def contrast(skin_type):
        shifts = []
        for seed in range(20):
            drawn = render_condition("nematode infection", skin_type, seed)
            image = drawn.image.astype(float)
            shifts.append(np.abs(image[drawn.mask].mean(0) - image[~drawn.mask].mean(0)).sum())
        return np.mean(shifts)

    assert contrast(1) > 1.5 * contrast(6)


def test_base_model_captions_never_name_a_condition():
    words = " ".join(render_marks(1 + i % 6, i, 16).caption.lower() for i in range(500))
    assert not [c for c in CONDITIONS if c in words]
    assert all(k in words for k in (*KINDS, *COLOURS))


def test_table_1_is_scaled_and_the_holdout_shares_no_seed():
    source = phantom_table1.read(7, 1.0, 1, 2, 16)
    study = source.table[source.table["role"] == "study"]
    counts = study.groupby(["condition", "fitzpatrick_scale"]).size()
    assert len(study) == 1631
    assert counts["psoriasis"].to_dict() == {1: 113, 2: 232, 5: 64, 6: 21}
    assert source.table["image_id"].is_unique
    first_study = source.load(0)[0]
    first_holdout = source.load(int(np.flatnonzero(source.table["role"] == "holdout")[0]))[0]
    assert (first_study != first_holdout).any()

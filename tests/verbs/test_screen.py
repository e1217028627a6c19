"""What screen rejects, and why: copies of others than the own group, wrong tones, blank images."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.features.memorisation import memorisation_limit
from pipeline_steps.features.skin_tone import ToneRule, check_tones, skin_of
from pipeline_steps.pixels.appearance import Appearances, contrast
from pipeline_steps.pixels.ita import skin_itas
from pipeline_steps.records.privacy import public_ids
from pipeline_steps.screen import ScreenParams, consistency, screen, summary

PARAMS = ScreenParams(
    reject=("memorised", "skin_tone", "blank", "mask"),
    memorisation_quantile=0.01,
    neighbours=5,
    tone_tolerance=1,
    tone_largest_error=0.1,
    blank_contrast=1.0,
    mask_area=(0.005, 0.9),
    mask_largest_part=0.3,
)
DARK = np.stack([render_condition("psoriasis", 6, i).image for i in range(4)])


def _rows(n, group_of=str, name="t"):
    conditions = [("psoriasis", "folliculitis")[i % 2] for i in range(n)]
    groups = [f"{name}-{group_of(i)}" for i in range(n)]
    ids = [f"{name}{i}" for i in range(n)]
    return pd.DataFrame({"image_id": ids, "sha256": ids, "condition": conditions, "group": groups})


def _features(n, seed, d=16):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def _generated(features, sources, images=None, starts_from_source=True):
    n = len(features)
    table = {"file_name": [f"{i}.png" for i in range(n)], "condition": "psoriasis", "target_level": "6"}
    table["starts_from_source"] = starts_from_source
    pixels = np.resize(DARK, (n, *DARK.shape[1:])) if images is None else images
    told = public_ids(pd.DataFrame({"image_id": sources, "sha256": sources}))
    return pd.DataFrame({**table, "source_id": told}), _looks(pixels), features


def _looks(images):
    unmasked = np.zeros(len(images))
    return Appearances(np.array([contrast(image) for image in images]), skin_itas(images), unmasked, unmasked)


def _told(image_id):
    """The public id of one of these rows."""
    return public_ids(pd.DataFrame({"image_id": [image_id], "sha256": [image_id]}))[0]


KNOWN = pd.DataFrame({"level": ["1"] * 4 + ["6"] * 4, "population": ["majority"] * 4 + ["minority"] * 4})
REAL = np.stack([render_condition("psoriasis", t, 50 + i).image for t in (1, 6) for i in range(4)])


def _screen(generated, training, validation):
    """Verdicts where the measure of tones is right on all real images, and trusted for it."""
    table, looks, _ = generated
    rows = KNOWN.assign(group=[str(i) for i in range(8)])
    rule = ToneRule(PARAMS.tone_tolerance, largest_error=0.6)
    wanted = np.array(table["target_level"], np.int64)
    tones = check_tones(wanted, skin_of(looks.ita), rows, skin_of(skin_itas(REAL)), rule)
    return *screen(generated, training, validation, PARAMS, tones)[:2], tones


VALIDATION = _rows(30, name="v"), _features(30, 2)


def test_screen_rejects_copies_wrong_tones_and_blanks_and_says_why():
    light = render_condition("psoriasis", 1, 9).image
    images = np.concatenate([DARK, light[None], np.full((1, 64, 64, 3), 60, np.uint8)])
    train, made = _features(20, 0), _features(6, 1)
    made[0] = train[7]  # a copy of somebody else's image
    made[1] = train[3]  # a copy of its own source: by design
    generated = _generated(made, ["t1", "t3", "t1", "t1", "t1", "t1"], images)
    verdicts, limit, tones = _screen(generated, (_rows(20), train), VALIDATION)
    assert list(verdicts["accepted"]) == [False, True, True, True, False, False]
    assert verdicts["reasons"][0] == "memorised"
    assert verdicts["nearest_train"][0] == _told("t7")
    assert verdicts["source_distance"][1] == pytest.approx(0, abs=1e-6)
    assert verdicts["reasons"][4] == "skin_tone"
    assert "blank" in verdicts["reasons"][5]
    found = summary(verdicts, limit, tones)
    assert found["rejected"] == {"memorised": 1, "skin_tone": 1, "blank": 1, "mask": 0}
    assert found["by_target_type"]["6"]["rejected"] == found["rejected"]
    assert found["by_target_type"]["6"]["accepted"] == found["accepted"] == 3
    assert found["memorisation"]["images"] == 30


def test_a_reason_that_screening_does_not_know_is_refused():
    with pytest.raises(ValidationError, match="'memorised', 'skin_tone', 'blank' or 'mask'"):
        ScreenParams(**{**PARAMS.model_dump(), "reject": ("memorized",)})


def test_another_photograph_of_the_sources_lesion_is_no_copy():
    """The generator was shown the one, and so paints what is on the other: closeness is by design."""
    train, made = _features(20, 0), _features(3, 1)
    made[0] = train[4] = train[5] + 1e-3  # t4 and t5 are of one lesion; made from t5
    made[1] = train[8]  # of t9's lesion, but made from t1
    generated = _generated(made, ["t5", "t1", "t1"])
    verdicts, *_ = _screen(generated, (_rows(20, lambda i: i // 2), train), VALIDATION)
    assert list(verdicts["reasons"]) == ["", "memorised", ""]
    assert verdicts["nearest_train"][0] not in (_told("t4"), _told("t5"))
    assert verdicts["nearest_train"][1] == _told("t8")
    assert verdicts["source_distance"][0] == pytest.approx(0, abs=1e-3)


def test_a_text_to_image_copy_of_the_image_that_lent_its_caption_is_memorised():
    train = _features(20, 0)
    copies, sources = train[:6], [f"t{i}" for i in range(6)]
    for from_source, expected in ((False, "memorised"), (True, "")):
        generated = _generated(copies, sources, starts_from_source=from_source)
        verdicts, *_ = _screen(generated, (_rows(20), train), VALIDATION)
        assert set(verdicts["reasons"]) == {expected}


def test_no_photograph_of_its_sources_lesion_is_an_images_neighbour():
    """Else five photographs of the source's lesion would vouch for whatever is made from it."""
    train, made = _features(20, 0), _features(1, 1)
    train[:6] = made[0] + 0.01 * _features(6, 5)
    rows = _rows(20, lambda i: "lesion" if i < 6 else i).assign(
        condition=["psoriasis"] * 6 + ["folliculitis"] * 14,
    )
    verdicts, *_ = _screen(_generated(made, ["t0"]), (rows, train), VALIDATION)
    assert list(verdicts["nearest_condition"]) == ["folliculitis"]
    other, *_ = _screen(_generated(made, ["t9"]), (rows, train), VALIDATION)
    assert list(other["nearest_condition"]) == ["psoriasis"]


def test_real_images_are_measured_as_generated_ones_are():
    """A validation image of a training image's group counts by its nearest image of another group."""
    train = _features(20, 0)
    near, far = (train[:10] + 1e-3, _rows(10).assign(group="v")), (train[:10] + 1e-3, _rows(10))
    limits = [_screen(_generated(_features(1, 1), ["t1"]), (_rows(20), train), v[::-1])[1] for v in (near, far)]
    assert limits[0].distance == pytest.approx(0, abs=1e-3)
    assert limits[1].distance > 0.1


def test_what_all_features_share_changes_no_verdict():
    """Networks' features lie far from zero; seen from there everything is a copy of everything, or nothing is."""
    train, made, held_out = _features(40, 0), _features(30, 1), VALIDATION[1]
    made[:3] = train[:3] + 0.02 * _features(3, 3)
    found = [
        _screen(_generated(made + s, ["t30"] * 30), (_rows(40), train + s), (VALIDATION[0], held_out + s))
        for s in (np.float32(0), np.float32(20))
    ]
    for column in ("accepted", "nearest_train", "nearest_condition"):
        assert list(found[0][0][column]) == list(found[1][0][column])
    for column in ("distance", "source_distance"):
        assert found[1][0][column].to_numpy() == pytest.approx(found[0][0][column].to_numpy(), abs=1e-3)
    assert found[1][1].distance == pytest.approx(found[0][1].distance, abs=1e-3)


def test_without_validation_images_no_distance_is_known_and_nothing_is_memorised():
    train = _features(20, 0)
    generated = _generated(train[:2].copy(), ["t9", "t9"])
    verdicts, limit, _ = _screen(generated, (_rows(20), train), (_rows(0), train[:0]))
    assert list(verdicts["reasons"]) == ["", ""]
    assert np.isnan(limit.distance)
    assert limit.too_few


@pytest.mark.parametrize(
    ("n", "rank", "too_few"),
    [(1, 1, True), (30, 1, True), (98, 1, True), (99, 1, False), (198, 1, False), (250, 2, False)],
)
def test_the_limit_is_a_distance_that_was_seen(n, rank, too_few):
    """One that a hundredth of real images fall below at most, or the smallest, marked, where so few can't tell."""
    distances = np.random.default_rng(n).uniform(size=n).astype(np.float32)
    limit = memorisation_limit(distances, [str(i) for i in range(n)], 0.01)
    assert limit.distance == np.sort(distances)[rank - 1]
    assert limit.exceeded_by == pytest.approx(rank / (n + 1))
    assert (limit.images, limit.groups, limit.too_few) == (n, n, too_few)
    assert too_few == (limit.exceeded_by > 0.01)


def test_images_of_few_lesions_are_few():
    distances = np.arange(200, dtype=np.float32)
    assert not memorisation_limit(distances, [str(i) for i in range(200)], 0.01).too_few
    assert memorisation_limit(distances, [str(i // 4) for i in range(200)], 0.01).too_few


@pytest.mark.parametrize("n", [30, 150, 450])
def test_as_many_new_real_images_as_it_says_are_nearer(n):
    rng = np.random.default_rng(0)
    limits = [memorisation_limit(rng.exponential(size=n).astype(np.float32), list("ab"), 0.01) for _ in range(3000)]
    nearer = np.mean([1 - np.exp(-limit.distance) for limit in limits])  # of exponential distances
    assert nearer == pytest.approx(limits[0].exceeded_by, rel=0.06)


def test_class_consistency_is_told_by_type():
    table = pd.DataFrame({"condition": ["a", "b", "b"], "target_level": list("556")})
    found = consistency(table, np.array(["a", "a", "b"]), "target_level")
    assert found == {"5": {"agrees": 0.5, "images": 2}, "6": {"agrees": 1.0, "images": 1}}

"""The measured skin is skin, outside of the lesion; and a measure that errs on real images rejects no generated one."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, overlaid
from PIL import Image
from scipy.stats import beta

from pipeline_steps import screen
from pipeline_steps.datasets.data_set import Decoding
from pipeline_steps.datasets.pad_ufes_20 import PAD_UFES_20, PadUfes20
from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.features.skin_tone import ToneRule, check_tones, measure, measured_where
from pipeline_steps.features.tone_agreement import Sides, agreement
from pipeline_steps.generation.synthetic import STARTS_FROM_SOURCE
from pipeline_steps.pixels.ita import border_ita, skin_ita, skin_pixels, types_from_itas
from pipeline_steps.records.privacy import public_ids
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES
from pipeline_steps.statistics.cluster_intervals import largest_share

RULE = ToneRule(tolerance=2, largest_error=0.1)
KNOWN = 29  # groups without an error, of which at most a tenth is wrong: 0.9 ** 29 < 0.05
SIDES = Sides(frozenset({1, 2}), frozenset({5, 6}))


def _drawn(skin_type, n, seed=0):
    return [render_condition("psoriasis", skin_type, 7000 + seed + i) for i in range(n)]


@pytest.mark.parametrize("skin_type", FITZPATRICK_TYPES)
def test_skin_of_every_type_passes_as_skin(skin_type):
    for drawn in _drawn(skin_type, 10):
        assert skin_pixels(drawn.image)[~np.asarray(drawn.mask)].mean() > 0.95


def test_what_is_no_skin_is_left_out():
    """A blue cloth around an arm, a ruler at the border: the old measure took them for the skin."""
    for drawn in _drawn(6, 5):
        framed = drawn.image.copy()
        framed[:6], framed[-6:], framed[:, :6], framed[:, -6:] = ((230, 235, 240),) * 4
        bare, seen = skin_ita(drawn.image, None), skin_ita(framed, None)
        assert abs(seen - bare) < 6
        assert abs(border_ita(framed[None])[0] - bare) > 60


def test_a_lesion_that_reaches_the_border_does_not_count_as_skin():
    image = np.full((64, 64, 3), (224, 172, 140), np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[:, 8:] = True
    image[mask] = (90, 50, 40)
    skin = float(skin_ita(np.full((64, 64, 3), (224, 172, 140), np.uint8), None))
    assert skin_ita(image, mask) == pytest.approx(skin, abs=1e-3)
    assert border_ita(image[None])[0] < skin - 40


def test_an_image_without_skin_has_no_tone_and_no_verdict():
    blue = np.full((12, 32, 32, 3), (20, 60, 200), np.uint8)
    assert np.isnan(skin_ita(blue[0], None))
    real = [d.image for d in _drawn(6, 12)]
    rows = _rows([6] * 12)
    tones = check_tones(np.full(12, 6), measure(blue, None), rows, measure(np.stack(real), None), RULE)
    assert not tones.wrong.any()
    assert tones.report["generated_unmeasured"] == {"6": 12}


def _rows(types, group=str):
    """Rows of a split: images of known types."""
    tone = ["majority" if t in SIDES.majority else "minority" for t in types]
    return pd.DataFrame(
        {"level": list(map(str, types)), "population": tone, "group": [group(i) for i in range(len(types))]}
    )


def _judged(annotated, shown, wanted=6, made=1, group=str):
    """Verdicts on 4 images of type ``made`` wanted as ``wanted``, tried on real ones ``shown`` under ``annotated``."""
    real = np.stack([_drawn(t, 1, i)[0].image for i, t in enumerate(shown)])
    generated = np.stack([d.image for d in _drawn(made, 4)])
    rows = _rows(annotated, group)
    return check_tones(np.full(4, wanted), measure(generated, None), rows, measure(real, None), RULE)


def test_a_wrong_tone_is_rejected_where_the_measure_is_right_on_real_images():
    tones = _judged([1] * KNOWN + [6] * KNOWN, [1] * KNOWN + [6] * KNOWN)
    assert tones.wrong.all()
    assert tones.report["rejects_nothing_because"] == {}
    assert tones.report["generated_off"] == {"6": 4}
    assert not _judged([6] * KNOWN, [6] * KNOWN, made=6).wrong.any()


@pytest.mark.parametrize(
    ("annotated", "shown", "said"),
    [
        ([6] * 10, [6] * 8 + [1] * 2, "misjudges 20% of 10 real images of type 6"),
        ([6] * KNOWN + [1] * 11, [6] * (KNOWN + 11), "misjudges 28% of 40 real images of known type"),
        ([6] * (KNOWN - 1), [6] * (KNOWN - 1), "28 groups leave up to 10.1% possible"),
        ([1] * KNOWN, [1] * KNOWN, "no real image outside of the test split is of type 6"),
    ],
)
def test_no_tone_is_rejected_where_the_error_is_large_or_unknown_and_it_is_said(annotated, shown, said):
    tones = _judged(annotated, shown)
    assert not tones.wrong.any()
    assert tones.report["generated_off"] == {"6": 4}  # reported all the same
    assert said in tones.report["rejects_nothing_because"]["6"]


def test_photographs_of_one_patient_are_one_witness():
    assert not _judged([6] * KNOWN, [6] * KNOWN, group=lambda i: str(i // 2)).wrong.any()


def test_a_group_counts_once_however_many_images_it_has():
    """One patient of 40 whose hundred photographs are misjudged is one of 40, and no 70 per cent."""
    wrong, groups = np.repeat([True, False], [100, 39]), ["a"] * 100 + [str(i) for i in range(39)]
    assert largest_share(wrong, groups) == pytest.approx(beta.ppf(0.95, 2, 39))
    assert largest_share(np.zeros(29, bool), [str(i) for i in range(29)]) == pytest.approx(1 - 0.05 ** (1 / 29))
    assert largest_share(np.ones(3, bool), list("abc")) == largest_share(np.zeros(0, bool), []) == 1


def test_where_images_were_measured_is_counted():
    empty, full = np.zeros((64, 64), bool), np.ones((64, 64), bool)
    images = [drawn.image for drawn in _drawn(3, 3)]
    assert measured_where(measure(images, [None, empty, full])) == {"outside_of_lesion_masks": 1, "border": 2}
    assert measured_where(measure(images, None)) == {"outside_of_lesion_masks": 0, "border": 3}


def test_images_may_come_one_after_the_other():
    drawn = _drawn(2, 4)
    images, masks = np.stack([d.image for d in drawn]), np.stack([np.asarray(d.mask) for d in drawn])
    whole, apart = measure(images, masks), measure((i for i in images), (m for m in masks))
    assert np.array_equal(whole.ita, apart.ita)
    assert np.array_equal(whole.marked, apart.marked)


def test_agreement_is_counted_by_type():
    annotated, measured = np.array([1, 1, 2, 5, 6, 0]), np.array([1, 4, 2, 3, 0, 3])
    found = agreement(annotated, measured, list("aabcde"), 2, SIDES)
    assert (found["all"].images, found["all"].unmeasured, found["all"].groups) == (5, 1, 3)
    assert (found["all"].exact, found["all"].misjudged, found["all"].right_side) == (0.5, 0.25, 0.5)
    assert (found["1"].exact, found["1"].right_side) == (0.5, 0.5)
    assert np.isnan(found["6"].exact)


def test_the_stage_tells_the_error_and_rejects_by_it(tmp_path, monkeypatch):
    """Real images whose annotated types are not what they show, as in photographs: nothing is rejected for its tone."""
    for name, shown, rejected in (("right", [6] * KNOWN, 4), ("wrong", [2] * KNOWN, 0)):
        folder = tmp_path / name
        found = _run_stage(folder, shown, monkeypatch)
        assert found["rejected"]["skin_tone"] == rejected
        real = found["skin_tone"]["real_images"]
        assert real["6"]["images"] == KNOWN
        assert found["skin_tone"]["measured"]["real"] == {"outside_of_lesion_masks": 0, "border": 2 * KNOWN}
        assert real["6"]["misjudged"] == (0 if rejected else 1)
        assert ("6" in found["skin_tone"]["rejects_nothing_because"]) == (not rejected)


def _run_stage(folder, shown, monkeypatch):
    """``screen`` on 4 images of type I that were wanted as VI; real images of type VI show the types ``shown``."""
    n = len(shown)
    folder.mkdir()
    params = overlaid((ROOT / "params.yaml").read_text(), {"screen": {"reject": ["skin_tone"]}})
    (folder / "params.yaml").write_text(
        params.replace("location: models/base/phantom-features", f"location: {ROOT}/models/base/phantom-features")
    )
    drawn = [_drawn(t, 1, i)[0] for i, t in enumerate([1] * n + shown)]
    rows = _rows([1] * n + [6] * n).assign(condition="psoriasis", partition=["train"] * n + ["reference"] * n)
    rows["image_id"] = rows["sha256"] = [f"i{i}" for i in range(2 * n)]
    rows["row"], rows["has_mask"] = range(2 * n), False
    (folder / "data").mkdir()
    rows.to_parquet(folder / "data/manifest.parquet")
    rows.to_parquet(folder / "split.parquet")
    np.save(folder / "data/pixels.npy", np.stack([d.image for d in drawn]))
    np.save(folder / "data/masks.npy", np.stack([np.asarray(d.mask) for d in drawn]))
    made = pd.DataFrame({"file_name": [f"{i}.png" for i in range(4)], "condition": "psoriasis", "target_level": "6"})
    made.assign(source_id=public_ids(rows)[:4], **{STARTS_FROM_SOURCE: True}).to_csv(folder / "metadata.csv")
    for i, one in enumerate(_drawn(1, 4, 500)):
        Image.fromarray(one.image).save(folder / f"{i}.png")
    command = "screen --dataset data --split split.parquet --synthetic . --out out.parquet --metrics out.json"
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", command.split())
    screen.main()
    return json.loads((folder / "out.json").read_text())


def test_on_the_photographs_at_hand_nothing_would_be_rejected(real_data):
    """The measure does not know their types (docs/skin_tone.md), so it must not reject by them."""
    source = PAD_UFES_20.read(
        PadUfes20(folder=real_data / "pad_ufes_20", attributes=()), Decoding(128, "center_crop", 10**8)
    )
    rows = source.table[source.table["fitzpatrick_scale"].isin([1, 2, 3, 4])].groupby("fitzpatrick_scale").head(15)
    loaded = [source.load(i) for i in rows.index]
    types = rows["fitzpatrick_scale"].to_numpy(np.int64)
    split = _rows(list(types), group=lambda i: rows["patient_id"].iloc[i])
    real = measure(np.stack([one.pixels for one in loaded]), [one.mask for one in loaded])
    dark = measure(np.stack([d.image for d in _drawn(6, 4)]), None)
    tones = check_tones(np.array([1, 2, 3, 4]), dark, split, real, RULE)
    assert not tones.wrong.any()
    assert set(tones.report["rejects_nothing_because"]) == {"1", "2", "3", "4"}
    assert tones.report["real_images"]["all"]["misjudged"] > RULE.largest_error


def test_types_from_angles_keep_what_was_not_measured_apart():
    assert list(types_from_itas(np.array([60.0, np.nan, -60.0], np.float32))) == [1, 0, 6]

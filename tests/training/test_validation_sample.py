"""A training measures itself on all validation images, or on a fixed sample of many: never on more than it can pay."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline_steps import finetune
from pipeline_steps.training import validation
from pipeline_steps.training.validation import MOST, validation_rows
from pipeline_steps.vision import classification, segmentation
from pipeline_steps.vision.views import IMAGENET, Labelled


@pytest.mark.parametrize("count", [0, 1, 70, MOST])
def test_all_are_measured_up_to_the_limit(count):
    assert validation_rows(count).tolist() == list(range(count))


def test_of_more_a_fixed_sample_is_each_image_once_in_order():
    rows = validation_rows(10 * MOST)
    assert len(set(rows)) == MOST
    assert np.array_equal(rows, np.sort(rows))
    assert np.array_equal(rows, validation_rows(10 * MOST))
    assert rows.mean() == pytest.approx(5 * MOST, rel=0.05), "from everywhere, not the first ones"


@pytest.fixture
def few(monkeypatch):
    """A limit of 5; rows that are measured of 40."""
    monkeypatch.setattr(validation, "MOST", 5)
    return validation_rows(40)


def _images(n):
    return np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)


def test_a_classifier_is_chosen_on_the_sample_with_its_own_labels(few, monkeypatch):
    """Its images say which class they are of, so that labels of other rows would show."""
    seen = []

    def predict(_network, images, *_):
        seen.append([int(i) for i in images[:][:, 0, 0, 0]])
        return np.eye(2)[[i % 2 for i in seen[-1]]]

    monkeypatch.setattr(classification, "predict", predict)
    monkeypatch.setattr(classification, "fit", lambda _, task, *__: task.score())
    held = Labelled(_images(40), np.arange(40) % 2)
    how, plain = SimpleNamespace(input_size=8, batch_size=2), SimpleNamespace()
    found = classification.fit_classifier(None, held, held, how, "x", norm=IMAGENET, classic=plain)
    assert found == 1.0
    assert seen == [few.tolist()]


def test_a_segmenter_is_chosen_on_a_sample_of_the_masks_that_mark_something(few, monkeypatch):
    seen = []

    def segment(_network, images, *_):
        seen.append([int(i) for i in images[:][:, 0, 0, 0]])
        yield slice(0, len(images)), np.ones((len(images), 8, 8), bool)

    monkeypatch.setattr(segmentation, "segment", segment)
    monkeypatch.setattr(segmentation, "fit", lambda _, task, *__: task.score())
    masks = np.ones((60, 8, 8), bool)
    masks[40:] = False
    pairs = Labelled(_images(60), masks)
    how = SimpleNamespace(input_size=8, batch_size=2)
    assert segmentation.fit_segmenter(None, pairs, pairs, how, "x", norm=IMAGENET) == 1.0
    assert seen == [few.tolist()]


class _EncodedError(Exception):
    """Enough was seen."""


def test_finetuning_encodes_no_validation_image_that_it_does_not_measure(few, monkeypatch):
    asked = []

    def examples(_, rows, __):
        asked.append(rows["image_id"].tolist())
        if len(asked) == 2:
            raise _EncodedError
        return SimpleNamespace()

    monkeypatch.setattr(finetune, "_examples", examples)
    train, held = (pd.DataFrame({"image_id": range(n)}) for n in (30, 40))
    params = SimpleNamespace(training=None, task="image")
    with pytest.raises(_EncodedError):
        finetune._one_adapter(params, None, (train, held), None, None)
    assert asked == [list(range(30)), few.tolist()]

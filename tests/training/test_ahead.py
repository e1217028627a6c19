"""Batches drawn ahead of their steps are those drawn in turn."""

import threading

import pytest
import torch

from pipeline_steps.training.ahead import batches_ahead, drawn
from pipeline_steps.training.batches import BatchLoss

STEPS = range(3, 12)


def _losses(drawn_steps=None, **changes):
    def draw(rng):
        if drawn_steps is not None:
            drawn_steps.append(threading.current_thread())
        return {"x": torch.randn(4, 3, generator=rng)}

    return BatchLoss(draw, lambda batch: batch["x"].mean(), **changes)


@pytest.mark.parametrize("ahead", [1, 2, 20])
def test_no_bit_depends_on_when_a_batch_is_drawn(ahead):
    with drawn(_losses(), 7, STEPS, 0) as in_turn, drawn(_losses(), 7, STEPS, ahead) as before:
        pairs = list(zip(in_turn, before, strict=True))
    assert len(pairs) == len(STEPS)
    assert all(torch.equal(a["x"], b["x"]) for a, b in pairs)


def test_a_thread_draws_ahead_and_no_further_than_asked():
    by = []
    with drawn(_losses(by), 7, STEPS, 2) as batches:
        for taken in range(1, len(STEPS) + 1):
            next(batches)
            assert taken <= len(by) <= taken + 2
    assert threading.main_thread() not in by


def test_in_turn_each_is_drawn_when_it_is_taken():
    by = []
    with drawn(_losses(by), 7, STEPS, 0) as batches:
        next(batches)
        assert by == [threading.main_thread()]


def test_what_fails_fails_where_the_batch_is_taken_and_leaves_no_thread():
    def draw(rng):
        raise ValueError(f"image {rng} is damaged")

    losses = BatchLoss(draw, lambda batch: batch["x"].mean(), randomness=lambda _seed, step: step)
    before = threading.active_count()
    with pytest.raises(ValueError, match="image 3 is damaged"), drawn(losses, 7, STEPS, 2) as batches:
        next(batches)
    assert threading.active_count() == before


def test_only_where_another_device_computes():
    assert batches_ahead(_losses(), torch.device("cpu")) == 0
    assert batches_ahead(_losses(), torch.device("cuda")) > 0
    assert batches_ahead(_losses(in_turn=True), torch.device("cuda")) == 0, "one running stream"

"""Losses that are read after several steps are those of reading each, and no step is saved that should not be."""

import threading
from dataclasses import replace

import pytest
import torch
from small_models import HOW
from test_loop import LOSSES

from pipeline_steps.training import loop
from pipeline_steps.training.ahead import drawn
from pipeline_steps.training.batches import BatchLoss
from pipeline_steps.training.checkpoints import Checkpointing
from pipeline_steps.training.loop import Callback, optimise, steps_between_reads


def _reads(monkeypatch):
    """How many steps each reading has, as they are read."""
    found, read = [], loop._read

    def counted(unread, what, done):
        found.append(len(unread))
        return read(unread, what, done)

    monkeypatch.setattr(loop, "_read", counted)
    return found


@pytest.mark.parametrize("kind", ["adapter", "lesions", "prior"])
def test_no_bit_depends_on_when_losses_are_read(model, tmp_path, kind):
    trainable, loss = LOSSES[kind](*model, tmp_path)
    first = [t.detach().clone() for t in trainable]

    def trained(every):
        for own, value in zip(trainable, first, strict=True):
            own.data.copy_(value)
        losses = optimise(trainable, loss, HOW, kind, read_every=every)
        return losses, [t.detach().clone() for t in trainable]

    losses, weights = trained(1)
    assert len(losses) == HOW.steps
    for every in (2, 4, 100):
        again, others = trained(every)
        assert again == losses, f"read every {every}"
        assert all(torch.equal(a, b) for a, b in zip(weights, others, strict=True))


def _growing():
    """A loss that is 1, 2, 3, ... at its steps."""
    weight = torch.zeros(1, requires_grad=True)
    draw = lambda step: {"x": torch.full((2,), step + 1.0)}  # noqa: E731
    return [weight], BatchLoss(draw, lambda b: (weight * 0).sum() + b["x"].mean(), randomness=lambda _seed, step: step)


def test_losses_are_read_before_whatever_stops_and_at_the_end(monkeypatch, tmp_path):
    reads = _reads(monkeypatch)
    trainable, loss = _growing()
    calls, save = [Callback(4, lambda _done: None)], Checkpointing(tmp_path / "c.pt", 3)
    losses = optimise(trainable, loss, replace(HOW, steps=10), "x", checkpointing=save, callbacks=calls, read_every=100)
    assert losses == [float(i) for i in range(1, 11)]
    assert reads == [3, 1, 2, 2, 1, 1], "at 3, 4, 6, 8, 9 and 10"
    assert torch.load(save.path, weights_only=True)["losses"] == losses[:9]


@pytest.mark.parametrize("every", [1, 2, 3, 100])
@pytest.mark.parametrize("bad", [1, 4, 5, 7])
def test_what_is_no_number_is_found_before_it_is_saved_or_called(tmp_path, every, bad):
    weight, called = torch.zeros(1, requires_grad=True), []

    def draw(step):
        return {"x": torch.full((2,), float("nan") if step + 1 >= bad else 1.0)}

    loss = BatchLoss(draw, lambda b: (weight * 0).sum() + b["x"].mean(), randomness=lambda _seed, step: step)
    save = Checkpointing(tmp_path / "c.pt", 3)
    with pytest.raises(FloatingPointError, match=f"at step {bad};"):
        optimise(
            [weight], loss, replace(HOW, steps=7), "x", checkpointing=save, callbacks=[Callback(2, called.append)],
            read_every=every,
        )  # fmt: skip
    saved = len(torch.load(save.path, weights_only=True)["losses"]) if save.path.exists() else 0
    assert saved == (bad - 1) // 3 * 3
    assert called == [step for step in (2, 4, 6) if step < bad]


def test_a_resumed_training_names_the_step_of_the_whole_one(tmp_path):
    trainable, loss = _growing()
    save = Checkpointing(tmp_path / "c.pt", 2)
    optimise(trainable, loss, replace(HOW, steps=4), "x", checkpointing=save, read_every=100)
    spoilt = replace(loss, loss=lambda b: loss.loss(b) / (6 - b["x"][0]))
    with pytest.raises(FloatingPointError, match="at step 6;"):
        optimise(trainable, spoilt, replace(HOW, steps=9), "x", checkpointing=save, read_every=100)


def test_a_cpu_reads_each_loss_and_no_other_device_does():
    assert steps_between_reads(torch.device("cpu")) == 1
    assert steps_between_reads(torch.device("cuda")) > 1


@pytest.mark.parametrize("ahead", [0, 2])
def test_batches_are_pinned_where_they_are_drawn(monkeypatch, ahead):
    """So that copies from them make no GPU wait; whole batches, with what is within them."""
    by = []

    def pin(tensor):
        by.append(threading.current_thread())
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    losses = BatchLoss(lambda rng: {"x": torch.randn(3, generator=rng), "prior": {"y": torch.ones(3)}}, lambda _: None)
    with drawn(losses, 7, range(4), ahead, pin=True) as pinned, drawn(losses, 7, range(4), 0) as plain:
        pairs = list(zip(pinned, plain, strict=True))
    assert all(torch.equal(a["x"], b["x"]) and torch.equal(a["prior"]["y"], b["prior"]["y"]) for a, b in pairs)
    assert len(by) == 8
    assert (threading.main_thread() in by) == (ahead == 0)

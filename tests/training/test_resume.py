"""A training that was killed and goes on gives the bits of an undisturbed one, whatever is trained."""

import contextlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_models import HOW, supervision
from test_loop import LOSSES

from pipeline_steps import train_captioner, train_features
from pipeline_steps.diffusion import pretrain
from pipeline_steps.parameters.arms import ArmParams
from pipeline_steps.parameters.captioner_training import CaptionerTraining
from pipeline_steps.parameters.feature_training import FeatureTraining
from pipeline_steps.stage.params import read_yaml
from pipeline_steps.training import checkpoints, loop
from pipeline_steps.training.checkpoints import Checkpointing, work_folder
from pipeline_steps.training.loop import Callback, optimise
from pipeline_steps.vision.classification import fit_classifier
from pipeline_steps.vision.networks import new_network
from pipeline_steps.vision.segmentation import fit_segmenter, new_segmenter
from pipeline_steps.vision.views import IMAGENET, Labelled

STEPS = 6
SUPERVISION = supervision(updates=STEPS, weight_decay=0.01, validate_every=2)


class Killed(BaseException):
    """What stands for SIGKILL: nothing catches it."""


@pytest.fixture
def kill_after(monkeypatch):
    """Have the loop die after so many steps; None: never. It returns how many steps a run did."""
    done, accumulate = [], loop._accumulate

    def set_limit(steps):
        done.clear()

        def limited(*args):
            if len(done) == steps:
                raise Killed
            done.append(args)
            return accumulate(*args)

        monkeypatch.setattr(loop, "_accumulate", limited)
        return done

    return set_limit


def _same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _images(n=24, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 255, (n, 32, 32, 3), np.uint8), rng.integers(3, size=n), rng.random((n, 32, 32)) < 0.4


def _classifier(name, **arm):
    """VGG's dropout draws from the global stream; batch normalisation keeps running statistics."""

    def train(folder):
        images, labels, _ = _images()
        network = new_network(name, 3, 32, pretrained=False, seed=0)
        plain = ArmParams(images="real", copies=1, seed=0, policy="none", mix="none", mix_alpha=1.0)
        how, data = plain.model_copy(update=arm), Labelled(images, labels)
        checkpoint = folder / "classifier.pt"
        fitted = fit_classifier(
            network, data, data, SUPERVISION, "c", norm=IMAGENET, classic=how, checkpoint=checkpoint
        )
        return fitted.state, fitted.update, fitted.history, network.state_dict()

    return train


def _segmenter(folder):
    images, _, masks = _images()
    network, data = new_segmenter("resnet18", 3, pretrained=False, seed=0), Labelled(images, masks)
    fitted = fit_segmenter(network, data, data, SUPERVISION, "s", norm=IMAGENET, checkpoint=folder / "segmenter.pt")
    return fitted.state, fitted.update, fitted.history, network.state_dict()


def _features(folder):
    shipped = {"seed": 0, "threads": 1, "image_size": 32, "images": 24, "steps": STEPS, "batch_size": 4}
    network, losses = train_features.train(FeatureTraining(**shipped, learning_rate=1e-3), folder)
    return network.state_dict(), losses


def _captioner(folder):
    params = read_yaml(train_captioner.CaptionerTraining.read_from)["captioner_training"]
    optimisation = params["optimisation"] | {"steps": STEPS, "ema_decay": 0.9, "warmup_steps": 2}
    params |= {"threads": 1, "images": 24, "batch_size": 2, "optimisation": optimisation}
    params["vision"] |= {"hidden_size": 12, "intermediate_size": 12, "num_hidden_layers": 1, "projection_dim": 12}
    params["text"] |= {"hidden_size": 12, "intermediate_size": 12, "num_hidden_layers": 1}
    train_captioner.train(CaptionerTraining(**params), folder / "out", folder)
    return load_file(folder / "out/model.safetensors"), (folder / "out/training.json").read_text()


def _autoencoder(folder):
    shape = {"latent_channels": 4, "encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    shape |= {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
    vae, losses = pretrain.train_autoencoder(_images()[0], shape, HOW, 3, Checkpointing(folder / "vae.pt", 2))
    return vae.state_dict(), losses


KINDS = {
    "classifier with dropout": _classifier("vgg_small"),
    "classifier with a policy": _classifier("resnet_small", policy="trivial_augment_wide", mix="cutmix"),
    "segmenter": _segmenter,
    "feature network": _features,
    "captioner": _captioner,
    "autoencoder": _autoencoder,
}


@pytest.fixture
def often(monkeypatch):
    """Trainings of shipped models save themselves every other step."""
    for stage in (train_features, train_captioner):
        monkeypatch.setattr(stage, "Checkpointing", lambda path, _every, also=(): Checkpointing(path, 2, also))


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_goes_on_to_the_same_bits(kind, kill_after, often, tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    kill_after(None)
    whole = KINDS[kind](tmp_path / "whole")
    kill_after(3)
    with pytest.raises(Killed):
        KINDS[kind](tmp_path / "killed")
    torch.manual_seed(77)  # a new process has another global stream
    done = kill_after(None)
    assert _same(whole, KINDS[kind](tmp_path / "killed"))
    assert len(done) == STEPS - 2, "it went on from its checkpoint"


@pytest.mark.parametrize(
    ("kind", "killed_after"),
    [
        *(pytest.param("adapter", step, marks=pytest.mark.slow) for step in (2, 5)),
        ("adapter", 1),
        *((kind, 3) for kind in LOSSES),
    ],
)
def test_a_killed_diffusion_training_goes_on_to_the_same_bits(model, kill_after, tmp_path, kind, killed_after):
    """With a moving average; what callbacks measured is kept, too."""
    trainable, loss = LOSSES[kind](*model, tmp_path)
    first = [t.detach().clone() for t in trainable]

    def trained(path):
        for own, value in zip(trainable, first, strict=True):
            own.data.copy_(value)
        seen = Seen(trainable)
        save, callbacks = Checkpointing(path, 1, (seen,)), [Callback(2, seen.look)]
        losses = optimise(trainable, loss, HOW, kind, checkpointing=save, callbacks=callbacks)
        return losses, seen.sums, [t.detach().clone() for t in trainable]

    kill_after(None)
    whole = trained(tmp_path / "whole.pt")
    kill_after(killed_after)
    with pytest.raises(Killed):
        trained(tmp_path / "killed.pt")
    done = kill_after(None)
    assert _same(whole, trained(tmp_path / "killed.pt"))
    assert len(done) == HOW.steps - killed_after


class Seen:
    def __init__(self, trainable):
        self.trainable, self.sums = trainable, {}

    def look(self, step):
        self.sums[step] = float(sum(t.detach().sum() for t in self.trainable))

    def state_dict(self):
        return {"sums": self.sums}

    def load_state_dict(self, state):
        self.sums = state["sums"]


def _killed_in(parent):
    """The folder of a training that was killed in it; it was empty."""
    with contextlib.suppress(Killed), work_folder(parent, "two") as other:
        assert not list(other.iterdir())
        raise Killed
    return other


def test_a_training_of_other_parameters_starts_anew(tmp_path):
    with work_folder(tmp_path, "one") as work:
        (work / "network.pt").write_bytes(b"half")
        other = _killed_in(tmp_path)
    assert not work.exists(), "done: nothing is left to go on from"
    assert other.exists(), "killed: it goes on from here"


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    weight = torch.zeros(3, requires_grad=True)
    save = Checkpointing(tmp_path / "c.pt", 1)
    parts = [loop._Weights([weight], 0.0)]
    checkpoints.save(save, parts, [1.0])
    before = save.path.read_bytes()

    def half(state, file):
        file.write_bytes(b"half")
        raise Killed

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(Killed):
        checkpoints.save(save, parts, [1.0, 2.0])
    assert save.path.read_bytes() == before
    assert checkpoints.resume(save, parts) == [1.0]

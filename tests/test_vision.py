"""Classifiers and mixtures."""

import numpy as np
import pytest
import torch

from pipeline_steps.records.errors import DataError
from pipeline_steps.vision.arms import cell_seed, mixture
from pipeline_steps.vision.classic import Classic, mixed_batch, under_policy
from pipeline_steps.vision.classification import fit_classifier, predict
from pipeline_steps.vision.loop import Supervision
from pipeline_steps.vision.networks import SMALL, new_network
from pipeline_steps.vision.views import Labelled, augment, pixels

HOW = Supervision(
    updates=20,
    batch_size=16,
    learning_rate=3e-3,
    weight_decay=0.0,
    schedule="cosine",
    milestones=(),
    validate_every=10,
    input_size=32,
    crop_scale=(0.8, 1.0),
    rotation_degrees=10,
    horizontal_flip=True,
    seed=1,
)

PLAIN = Classic(policy="none", mix="none", mix_alpha=1.0)


def _coloured(n, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    images = rng.integers(0, 80, size=(n, 32, 32, 3), dtype=np.uint8)
    images[np.arange(n), :, :, labels] += 120
    return Labelled(images, labels)


@pytest.mark.parametrize("name", SMALL)
def test_each_small_network_learns_and_repeats_its_bits(name):
    states = []
    for _ in range(2):
        network = new_network(name, 2, 32, pretrained=False, seed=5)
        fitted = fit_classifier(network, _coloured(64), _coloured(32, 1), HOW, name, classic=PLAIN, classes=2)
        states.append(fitted.state)
        assert fitted.history[-1][2] > 0.9
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "vit_base_patch16_224"])
def test_architectures_of_the_paper_are_timm_models(name):
    import timm

    assert timm.is_model(name)


def test_a_timm_architecture_classifies():
    network = new_network("resnet18", 7, 64, pretrained=False, seed=0).eval()
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
    with pytest.raises(DataError, match="neither"):
        new_network("resnet9000", 7, 64, pretrained=False, seed=0)


def test_predictions_do_not_depend_on_the_last_batch():
    network = new_network("resnet_small", 2, 32, pretrained=False, seed=0)
    images = _coloured(70).images
    assert np.array_equal(predict(network, images, 32)[:65], predict(network, images[:65], 32))


def test_identity_augmentation_changes_nothing():
    x = pixels(_coloured(4).images, torch.device("cpu"))
    still = HOW.model_copy(update={"crop_scale": (1.0, 1.0), "rotation_degrees": 0, "horizontal_flip": False})
    assert torch.allclose(augment(x, still, np.random.default_rng(0)), x, atol=1e-4)
    mirrored = still.model_copy(update={"horizontal_flip": True})
    flipped = augment(x, mirrored, np.random.default_rng(1))
    for a, b in zip(flipped, x, strict=True):
        assert torch.allclose(a, b, atol=1e-4) or torch.allclose(a, b.flip(-1), atol=1e-4)


@pytest.mark.parametrize("policy", ["trivial_augment_wide", "auto_augment", "rand_augment", "augmix"])
def test_a_policy_changes_images_one_by_one_and_repeats_its_bits(policy):
    images, how = _coloured(8).images, PLAIN.model_copy(update={"policy": policy})
    same = np.repeat(images[:1], 8, axis=0)
    first = under_policy(same, how, 3)
    assert first.shape == same.shape
    assert first.dtype == np.uint8
    assert len({image.tobytes() for image in first}) > 1, "one draw for the whole batch"
    assert np.array_equal(first, under_policy(same, how, 3))
    assert not np.array_equal(first, under_policy(same, how, 4))
    assert np.array_equal(under_policy(images, PLAIN, 3), images)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixing_keeps_pixels_and_probabilities_in_step(mix):
    """Class 0 is black, class 1 white: the mean of an image must be its probability of class 1."""
    labels = torch.arange(8) % 2
    x = labels.float().view(8, 1, 1, 1).expand(8, 3, 32, 32)
    how = PLAIN.model_copy(update={"mix": mix})
    both, wanted = mixed_batch(x, labels, 2, how, 5)
    assert torch.allclose(wanted.sum(1), torch.ones(8))
    assert torch.allclose(both.mean((1, 2, 3)), wanted[:, 1], atol=1e-5)
    assert ((wanted > 0) & (wanted < 1)).any()
    assert torch.equal(mixed_batch(x, labels, 2, how, 5)[0], both)
    assert mixed_batch(x, labels, 2, PLAIN, 5) == (x, labels)


def test_classic_augmentation_draws_no_randomness_of_others():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    under_policy(_coloured(4).images, PLAIN.model_copy(update={"policy": "rand_augment"}), 1)
    assert torch.equal(torch.rand(3), expected)


def test_mixtures():
    real, made = _coloured(10), _coloured(25, 1)
    assert len(mixture("syn", real, made).images) == 25
    both, repeated = mixture("real_syn", real, made), mixture("real_repeated", real, made)
    assert len(both.images) == len(repeated.images) == 35
    assert {i.tobytes() for i in repeated.images} == {i.tobytes() for i in real.images}
    with pytest.raises(DataError, match="no synthetic image"):
        mixture("syn", real, Labelled(made.images[:0], made.labels[:0]))


def test_arms_are_paired_by_seed():
    assert (
        cell_seed(0, "iii-0", "vgg_small") == cell_seed(0, "iii-0", "vgg_small") != cell_seed(0, "iii-1", "vgg_small")
    )

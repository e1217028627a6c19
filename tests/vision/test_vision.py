"""Classifiers and mixtures."""

import numpy as np
import pytest
import torch
from small_models import supervision

from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.stage.errors import DataError
from pipeline_steps.training.optimisation import new_optimiser, supervised_optimisation
from pipeline_steps.training.supervised import SupervisedTask, fit
from pipeline_steps.vision.arms import ArmParams, cell_seed, mixture
from pipeline_steps.vision.classic import Classic, mixed_batch, under_policy
from pipeline_steps.vision.classification import fit_classifier, predict
from pipeline_steps.vision.networks import SMALL, new_network
from pipeline_steps.vision.views import IMAGENET, Labelled

HOW = supervision(updates=20, batch_size=16, learning_rate=3e-3, validate_every=10)

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
        fitted = fit_classifier(network, _coloured(64), _coloured(32, 1), HOW, name, norm=IMAGENET, classic=PLAIN)
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
    assert np.array_equal(predict(network, images, 32, IMAGENET)[:65], predict(network, images[:65], 32, IMAGENET))


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
    both = mixture("real_syn", real, made)
    assert np.array_equal(both.images[:10], real.images)
    assert np.array_equal(both.images[10:], made.images)
    assert list(both.labels) == [*real.labels, *made.labels]
    assert mixture("real", real, made) is real
    with pytest.raises(DataError, match="no synthetic image"):
        mixture("syn", real, Labelled(made.images[:0], made.labels[:0]))


def _arm(**changed):
    return ArmParams(**{"images": "real", "copies": 0, "seed": 0, **PLAIN.model_dump(), **changed})


def test_arms_of_a_split_and_architecture_share_a_seed():
    """The number is what SHA-256 makes of "0 iii-0 vgg_small", so that what was trained once is trained so again."""
    real, other = _arm(), _arm(images="real_syn", copies=1, policy="augmix")
    assert [cell_seed(0, arm, "iii-0", "vgg_small") for arm in (real, other)] == [2771084928, 2771084928]
    elsewhere = {cell_seed(0, real, "iii-1", "vgg_small"), cell_seed(0, real, "iii-0", "vit_small")}
    assert len(elsewhere | {cell_seed(1, real, "iii-0", "vgg_small"), 2771084928}) == 4


def test_an_arm_with_a_seed_of_its_own_is_another_draw_of_the_same_training():
    arms = {"real": _arm(), "classic": _arm(mix="mixup"), "again": _arm(seed=1), "third": _arm(seed=2)}
    states = {}
    for name, arm in arms.items():
        seed = cell_seed(0, arm, "iii-0", "resnet_small")
        states[name] = new_network("resnet_small", 2, 32, pretrained=False, seed=seed).state_dict()["conv1.weight"]
    assert torch.equal(states["real"], states["classic"]), "arms start from the same weights"
    assert not torch.equal(states["real"], states["again"])
    assert not torch.equal(states["again"], states["third"])


def _scripted(losses, scores=None):
    """A task that loses what the script says, whatever the network."""
    weight, scores = torch.nn.Linear(1, 1), iter(scores or [0.5] * len(losses))

    def loss(batch):
        return losses[batch["update"].item() - 1] + 0 * weight.weight.sum()

    return weight, SupervisedTask(_update, loss, lambda: next(scores), "s")


def _update(seed):
    """A batch that is its update's number."""
    return {"update": torch.tensor([seed[-1]])}


@pytest.mark.parametrize(
    ("updates", "every", "expected"),
    [
        (5, 2, [(2, 1.5), (4, 3.5), (5, 5.0)]),
        (4, 2, [(2, 1.5), (4, 3.5)]),
        (3, 7, [(3, 2.0)]),
    ],
)
def test_a_row_of_the_history_is_the_mean_loss_since_the_row_before(updates, every, expected):
    network, task = _scripted([1.0, 2.0, 3.0, 4.0, 5.0])
    how = HOW.model_copy(update={"updates": updates, "validate_every": every})
    assert [(update, loss) for update, loss, _ in fit(network, task, how, "scripted").history] == expected


def test_of_equally_good_checkpoints_the_latest_is_kept():
    network, task = _scripted([1.0] * 8, [0.2, 0.7, 0.7, 0.3])
    assert fit(network, task, HOW.model_copy(update={"updates": 8, "validate_every": 2}), "scripted").update == 6


@pytest.mark.parametrize("scripted", [([1.0, float("nan")], [0.5, 0.5]), ([1.0, 1.0], [0.5, float("nan")])])
def test_what_is_no_number_ends_the_training(scripted):
    network, task = _scripted(*scripted)
    with pytest.raises(FloatingPointError, match="nan at step 2"):
        fit(network, task, HOW.model_copy(update={"updates": 2, "validate_every": 1}), "scripted")


def test_the_schedules_are_torchs():
    """Wang et al.: StepLR(10, 0.1) of 30 epochs of 31 updates; milestones at a third and two thirds."""
    published = HOW.model_copy(update={"updates": 930, "schedule": "step", "milestones": (0.333, 0.667)})
    falling = HOW.model_copy(update={"updates": 930})
    optimisers = [torch.optim.Adam([torch.zeros(1, requires_grad=True)], HOW.learning_rate) for _ in range(2)]
    theirs = [
        (optimisers[0], torch.optim.lr_scheduler.StepLR(optimisers[0], 310, 0.1)),
        (optimisers[1], torch.optim.lr_scheduler.CosineAnnealingLR(optimisers[1], 930)),
    ]
    zero = torch.zeros(1, requires_grad=True)
    ours = [new_optimiser([zero], supervised_optimisation(how)) for how in (published, falling)]
    for step in range(930):
        for (mine, _), (its, _) in zip(ours, theirs, strict=True):
            expected = its.param_groups[0]["lr"]
            assert mine.param_groups[0]["lr"] == pytest.approx(expected, abs=1e-12), f"update {step + 1}"
        for optimiser, schedule in (*ours, *theirs):
            optimiser.step()
            schedule.step()


def test_without_weight_decay_the_optimiser_is_the_papers_adam():
    how = HOW.model_copy(update={"updates": 9, "schedule": "step", "milestones": (0.333, 0.667), "validate_every": 9})
    targets = torch.randn(9, generator=torch.Generator().manual_seed(0))

    def square(weights, update):
        return (weights.sum() - targets[update - 1]).square()

    ours = torch.nn.Linear(3, 1, bias=False)
    theirs = ours.weight.detach().clone().requires_grad_()
    loss = lambda batch: square(ours.weight, batch["update"].item())  # noqa: E731
    fit(ours, SupervisedTask(_update, loss, lambda: 0.0, "s"), how, "ours")
    adam = torch.optim.Adam([theirs], how.learning_rate)
    schedule = torch.optim.lr_scheduler.StepLR(adam, 3, 0.1)
    for update in range(1, 10):
        adam.zero_grad()
        square(theirs, update).backward()
        adam.step()
        schedule.step()
    assert torch.allclose(ours.weight, theirs, atol=1e-7)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schedule", "constant_with_warmup"),
        ("updates", 0),
        ("validate_every", 0),
        ("crop_scale", (1.0, 0.8)),
        ("crop_scale", (0.8, 1.2)),
        ("milestones", (30,)),
    ],
)
def test_what_the_training_does_not_know_is_refused(key, value):
    with pytest.raises(ValueError, match=key):
        Supervision(**{**HOW.model_dump(), key: value})

"""What networks are trained on and what they are tested on: the same images, as sharp, whatever the sizes."""

import numpy as np
import pytest
import torch
from small_models import supervision
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from pipeline_steps.vision.classic import Classic
from pipeline_steps.vision.classification import fit_classifier
from pipeline_steps.vision.segmentation import _augmented, fit_segmenter
from pipeline_steps.vision.views import IMAGENET, Labelled, Normalisation, augment, outputs, pixels, view

HALVES = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
STILL = supervision(crop_scale=(1.0, 1.0), rotation_degrees=0, horizontal_flip=False)
RANDOM = {"crop_scale": (0.8, 1.0), "rotation_degrees": 15, "horizontal_flip": True}


class Echo(nn.Module):
    """A network whose answer is what it was shown; ``seen`` keeps that."""

    def __init__(self):
        super().__init__()
        self.scale, self.seen = nn.Parameter(torch.ones(1)), []

    def forward(self, x):
        self.seen.append(x.detach())
        return x * self.scale


def _at(size, **changed):
    return STILL.model_copy(update={"input_size": size, **changed})


def _trained_on(images, how, seed=0):
    return augment(pixels(images, torch.device("cpu"), HALVES), how, np.random.default_rng(seed))


def _tested_on(images, size):
    return torch.cat(list(outputs(Echo(), images, size, HALVES, batch_size=len(images))))


def _noise(height, width, n=2):
    return np.random.default_rng(0).integers(0, 256, size=(n, height, width, 3), dtype=np.uint8)


def _waves(side, period, n=4):
    """Stripes (n, side, side, 3) of a period in pixels, in n directions."""
    down, across = np.mgrid[:side, :side]
    angles = np.pi * np.arange(n) / n
    phase = np.stack([across * np.cos(a) + down * np.sin(a) for a in angles]) * 2 * np.pi / period
    return np.repeat(np.round(127.5 + 120 * np.sin(phase)).astype(np.uint8)[..., None], 3, axis=3)


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(64, 64, 64), (48, 48, 64), (70, 70, 64), (512, 512, 224), (300, 300, 224), (64, 32, 32), (20, 90, 33)],
)
def test_a_view_that_changes_nothing_is_the_test_image(height, width, size):
    images = _noise(height, width)
    one, other = _trained_on(images, _at(size)), _tested_on(images, size)
    assert one.shape == other.shape == (2, 3, size, size)
    assert float((one - other).abs().max()) < 2e-4


@pytest.mark.parametrize(("side", "size"), [(64, 64), (48, 64), (256, 224), (512, 224), (500, 96)])
def test_a_pattern_has_the_same_contrast_in_training_and_test(side, size):
    images = _waves(side, 10 * side / size)  # ten pixels of the view
    trained, tested = (t.std((1, 2, 3)) for t in (_trained_on(images, _at(size, **RANDOM)), _tested_on(images, size)))
    assert (trained / tested > 0.9).all()
    assert (trained / tested < 1.03).all()


def test_what_is_too_fine_for_a_view_vanishes_in_training_as_in_test():
    """Stripes of three pixels, 1.3 of the view's, which sampled pixel by pixel look like coarse ones."""
    images = _waves(512, 3)
    for shown in (_trained_on(images, _at(224, **RANDOM)), _tested_on(images, 224)):
        assert float(shown.std()) < 0.25 * float(pixels(images, torch.device("cpu"), HALVES).std())


def test_noise_is_averaged_in_training_as_in_test():
    images = _noise(512, 512, 8)
    trained, tested = _trained_on(images, _at(224, **RANDOM)), _tested_on(images, 224)
    assert 0.9 < float(trained.std() / tested.std()) < 1.1


def _soft(side):
    """An image (1, 3, side, side) without detail finer than about eight pixels."""
    coarse = torch.rand(1, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(side, side), mode="bicubic").contiguous()


@pytest.mark.parametrize(("side", "size"), [(512, 224), (64, 64), (96, 128)])
@pytest.mark.parametrize("degrees", [0.0, 12.0])
def test_a_crop_and_turn_are_torchvisions(side, size, degrees):
    """RandomResizedCrop's antialiased crop of a box, after RandomRotation about the box's centre."""
    x, box, top, left = _soft(side), int(side * 0.8), int(side * 0.12), int(side * 0.08)
    turn = np.radians(degrees)
    share = box / side
    linear = share * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = [(2 * left + box) / side - 1, (2 * top + box) / side - 1]
    ours = view(x, np.concatenate([linear, np.array(centre)[:, None]], axis=1)[None].astype(np.float32), size)
    about = [left + box / 2, top + box / 2]
    turned = tv.rotate(x, degrees, InterpolationMode.BILINEAR, center=about) if degrees else x
    theirs = tv.resized_crop(turned, top, left, box, box, [size, size], antialias=True)
    inner = slice(size // 8, -size // 8)  # theirs knows nothing beside the box
    difference = (ours - theirs)[..., inner, inner]
    assert float(difference.abs().mean()) < 0.02 * float(x.std())
    assert float(difference.abs().max()) < 0.15 * float(x.std())


def test_beyond_its_border_an_image_is_mirrored():
    x = torch.rand(1, 3, 32, 32)
    aside = np.array([[[1, 0, 1], [0, 1, 0]]], np.float32)  # half an image to the right
    right = x[..., 16:]
    assert torch.allclose(view(x, aside, 32), torch.cat([right, right.flip(-1)], dim=-1), atol=1e-4)


def test_a_flip_is_the_mirror_image():
    images = _noise(40, 40, 16)
    flipped, shown = _trained_on(images, _at(32, horizontal_flip=True)), _tested_on(images, 32)
    mirrored = [torch.allclose(a, b.flip(-1), atol=2e-4) for a, b in zip(flipped, shown, strict=True)]
    assert mirrored == [not torch.allclose(a, b, atol=2e-4) for a, b in zip(flipped, shown, strict=True)]
    assert 0 < sum(mirrored) < 16


def test_a_corner_of_a_turned_crop_shows_what_lies_beside_the_crop():
    """The middle half of a black image with a white frame, turned by 45 degrees: its corners reach the frame."""
    x = torch.ones(1, 3, 64, 64)
    x[..., 12:52, 12:52] = 0
    turned = 0.5 * np.array([[np.cos(np.pi / 4), -np.sin(np.pi / 4), 0], [np.sin(np.pi / 4), np.cos(np.pi / 4), 0]])
    shown = view(x, turned[None].astype(np.float32), 64)[0, 0]
    assert shown[[0, 0, -1, -1], [0, -1, 0, -1]].min() == 1
    assert shown[16:48, 16:48].max() == 0


def test_a_mask_goes_where_its_image_goes():
    down, across = np.mgrid[:96, :96]
    masks = np.stack([(down - 40) ** 2 / 4 + (across - y) ** 2 < 300 for y in (30, 48, 60, 70)])
    images = np.repeat((255 * masks).astype(np.uint8)[..., None], 3, axis=3)
    how, rng = _at(40, **RANDOM), np.random.default_rng(2)
    shown, turned = _augmented(pixels(images, torch.device("cpu"), HALVES), masks, how, rng)
    assert turned.shape == (4, 40, 40)
    assert torch.equal((shown[:, 0] > 0).float(), turned)
    assert set(turned.unique().tolist()) == {0.0, 1.0}


def test_a_mask_keeps_its_halves_when_it_is_made_smaller():
    left = np.zeros((1, 64, 64), bool)
    left[..., :32] = True
    _, turned = _augmented(torch.zeros(1, 3, 64, 64), left, _at(32), np.random.default_rng(0))
    assert turned[0, :, :16].min() == 1
    assert turned[0, :, 16:].max() == 0


@pytest.mark.parametrize(
    ("norm", "white"), [(HALVES, (1.0, 1.0, 1.0)), (IMAGENET, (0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225))]
)
def test_a_network_sees_images_by_its_own_normalisation(norm, white):
    images = np.full((4, 32, 32, 3), 255, np.uint8)
    classifier, segmenter = Echo(), Echo()
    data = Labelled(images, np.zeros(4, np.int64))
    heads = nn.Sequential(classifier, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    heads.num_classes = 3
    plain = Classic(policy="none", mix="none", mix_alpha=1.0)
    fit_classifier(heads, data, data, STILL, "c", norm=norm, classic=plain)
    pairs = Labelled(images, np.ones((4, 32, 32), bool))
    fit_segmenter(nn.Sequential(segmenter), pairs, pairs, STILL, "s", norm=norm)
    for network in (classifier, segmenter):
        assert len(network.seen) == 4, "two updates, two validations"
        for x in network.seen:
            assert torch.allclose(x.amax((0, 2, 3)), torch.tensor(white), atol=1e-4)
            assert torch.allclose(x.amin((0, 2, 3)), torch.tensor(white), atol=1e-4)

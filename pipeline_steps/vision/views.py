"""Images as networks see them: normalised, augmented, at the input's size, in batches of one shape."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.records.image_files import ImageRows

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Labelled:
    """Images (N, H, W, 3) uint8 with class indices (N,), or for a segmenter with masks (N, H, W) bool.

    Images and masks may lie in files that are read when a batch asks for them.
    """

    images: ImageRows
    labels: ImageRows | npt.NDArray[Any]


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation by which a network wants the channels of its images, as values from 0 to 1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def recorded_normalisation(config: dict[str, Any]) -> Normalisation:
    """The normalisation that a trained network's ``config.json`` holds."""
    return Normalisation(tuple(config["mean"]), tuple(config["std"]))


def pixels(images: Images, device: torch.device, norm: Normalisation) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) on ``device``, normalised.

    Bytes travel, not floats, and what follows is done where the network is: a GPU waits for no CPU.
    """
    x = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (norm.mean, norm.std))
    return x.div_(255).sub_(mean).div_(std)  # in place: of photographs a batch is a hundred megabytes


def augment(x: Tensor, how: Supervision, rng: np.random.Generator) -> Tensor:
    """Random resized crop, rotation and flip of each image: (B, C, H, W) to (B, C, input size, input size)."""
    return view(x, drawn_views(len(x), how, rng), how.input_size)


def drawn_views(n: int, how: Supervision, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Affine maps (n, 2, 3) of random views, in :func:`view`'s coordinates.

    ``crop_scale`` is the range of the crop's share of the area, as in torchvision's RandomResizedCrop; the crop is
    turned about its own centre, so that its corners show what lies beside it.
    """
    side = np.sqrt(rng.uniform(*how.crop_scale, n))
    angle = np.radians(rng.uniform(-how.rotation_degrees, how.rotation_degrees, n))
    shift = rng.uniform(-1, 1, (n, 2)) * (1 - side)[:, None]
    flip = np.where(rng.random(n) < 0.5, -1.0, 1.0) if how.horizontal_flip else np.ones(n)
    maps = np.zeros((n, 2, 3), np.float32)
    maps[:, 0, 0], maps[:, 0, 1] = side * np.cos(angle) * flip, -side * np.sin(angle)
    maps[:, 1, 0], maps[:, 1, 1] = side * np.sin(angle) * flip, side * np.cos(angle)
    maps[:, :, 2] = shift
    return maps


def view(x: Tensor, maps: npt.NDArray[np.float32], size: int) -> Tensor:
    """Each of ``x`` (B, C, H, W) through its affine map (2, 3), at (size, size); the identity is :func:`resized`.

    A map takes a place (x, y) of the view to one of the image, both from -1 to 1 between the borders, and must not
    shrink the image; beyond the border the image is mirrored. The map comes first, at the image's own size (or the
    view's, where that is larger), and then the same antialiased resizing that :func:`outputs` does. What is left
    between training and test is that the map reads between pixels, which softens detail as fine as those.
    """
    height, width = max(x.shape[-2], size), max(x.shape[-1], size)
    places = _places(torch.from_numpy(maps).to(x.device), height, width)
    return resized(F.grid_sample(x, places, padding_mode="reflection", align_corners=False), size)


def _places(maps: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel's centre comes from, (B, height, width, 2).

    Not by ``affine_grid``: its product of matrices is one that GPUs do in TF32, whose 11 bits are a quarter of a pixel
    of 512.
    """
    down, across = ((2 * torch.arange(n, device=maps.device) + 1) / n - 1 for n in (height, width))
    by_row = maps[:, None, :, 1] * down[:, None] + maps[:, None, :, 2]  # (B, height, 2)
    by_column = maps[:, None, :, 0] * across[:, None]  # (B, width, 2)
    return by_row[:, :, None] + by_column[:, None]


def resized(x: Tensor, size: int) -> Tensor:
    """(B, C, H, W) at (size, size) by antialiased bilinear interpolation, unchanged where it has that size.

    One interpolation for all networks, whatever each was pretrained with, so that all read the same images.
    """
    if tuple(x.shape[-2:]) == (size, size):
        return x
    return F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)


@torch.no_grad()
def outputs(
    network: nn.Module, images: ImageRows, input_size: int, norm: Normalisation, batch_size: int = 64
) -> Iterator[Tensor]:
    """What ``network`` gives for each batch of images; every batch has the same shape, so that no row depends on it."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        padded = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), axis=0)])
        yield network(resized(pixels(padded, device, norm), input_size)).float()[: len(batch)]
    network.train(was_training)

"""Images as networks see them: normalised, augmented, at the input's size, in batches of one shape."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.vision.loop import Supervision

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Labelled:
    """Images (N, H, W, 3) uint8 with class indices (N,), or for a segmenter with masks (N, H, W) bool."""

    images: Images
    labels: npt.NDArray[Any]


def pixels(images: Images, device: torch.device) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) on ``device``, normalised by ImageNet's mean and standard deviation.

    Bytes travel, not floats, and what follows is done where the network is: a GPU waits for no CPU.
    """
    x = torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v, device=device) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    return (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def augment(x: Tensor, how: Supervision, rng: np.random.Generator) -> Tensor:
    """Random resized crop, rotation and flip of each image as one affine map: (B, 3, H, W) to input size.

    ``crop_scale`` is the range of the crop's share of the area, as in torchvision's RandomResizedCrop.
    """
    n = len(x)
    side = np.sqrt(rng.uniform(*how.crop_scale, n))
    angle = np.radians(rng.uniform(-how.rotation_degrees, how.rotation_degrees, n))
    shift = rng.uniform(-1, 1, (n, 2)) * (1 - side)[:, None]
    flip = np.where(rng.random(n) < 0.5, -1.0, 1.0) if how.horizontal_flip else np.ones(n)
    theta = np.zeros((n, 2, 3), np.float32)
    theta[:, 0, 0], theta[:, 0, 1] = side * np.cos(angle) * flip, -side * np.sin(angle)
    theta[:, 1, 0], theta[:, 1, 1] = side * np.sin(angle) * flip, side * np.cos(angle)
    theta[:, :, 2] = shift
    grid = F.affine_grid(
        torch.from_numpy(theta).to(x.device), [n, 3, how.input_size, how.input_size], align_corners=False
    )
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def resized(x: Tensor, size: int) -> Tensor:
    """(B, C, H, W) at (size, size), unchanged where it has that size."""
    return x if x.shape[-1] == size else F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)


@torch.no_grad()
def outputs(network: nn.Module, images: Images, input_size: int, batch_size: int = 64) -> Iterator[Tensor]:
    """What ``network`` gives for each batch of images; every batch has the same shape, so that no row depends on it."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        padded = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), axis=0)])
        yield network(resized(pixels(padded, device), input_size)).float()[: len(batch)]
    network.train(was_training)

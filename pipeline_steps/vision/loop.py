"""The one supervised loop: equal updates for every arm, class-balanced batches, checkpoint chosen on validation."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.stage.params import Params
from pipeline_steps.stage.progress import Track
from pipeline_steps.vision.classic import Classic, mixed_batch, under_policy

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Labelled:
    """Images (N, H, W, 3) uint8 with class indices (N,), or for a segmenter with masks (N, H, W) bool."""

    images: Images
    labels: npt.NDArray[Any]


class Supervision(Params):
    """How to train: ``updates`` optimiser steps whatever the size of the training set."""

    updates: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    schedule: str
    milestones: tuple[float, ...]
    validate_every: int
    input_size: int
    crop_scale: tuple[float, float]
    rotation_degrees: float
    horizontal_flip: bool
    seed: int


@dataclass(frozen=True)
class Fitted:
    """The best state on validation, the update it came from, and (update, loss, validation accuracy) rows."""

    state: dict[str, Tensor]
    update: int
    history: list[tuple[int, float, float]]


def fit(
    network: nn.Module,
    train: Labelled,
    validation: Labelled,
    how: Supervision,
    what: str,
    *,
    classic: Classic,
    classes: int,
) -> Fitted:
    """Train ``network`` of so many ``classes`` in place. Of equally good checkpoints the latest is kept.

    What ``classic`` draws is drawn apart, so that it changes no crop or flip.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device).train()
    optimiser = torch.optim.AdamW(network.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, how))
    pools = [np.flatnonzero(train.labels == k) for k in np.unique(train.labels)]
    best, history, running = Fitted({}, 0, []), [], 0.0
    updates = Track(range(1, how.updates + 1), what, how.updates)
    for update in updates:
        rng = np.random.default_rng([how.seed, update])
        rows = np.array([rng.choice(pools[k]) for k in rng.integers(len(pools), size=how.batch_size)])
        policy_seed, mix_seed = (int(s) for s in np.random.default_rng([how.seed, update, 1]).integers(2**62, size=2))
        x = augment(pixels(under_policy(train.images[rows], classic, policy_seed)), how, rng)
        x, wanted = mixed_batch(x, torch.from_numpy(train.labels[rows]), classes, classic, mix_seed)
        loss = F.cross_entropy(network(x.to(device)), wanted.to(device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"{what}: loss is {value} at update {update}; lower classifier.learning_rate")
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        running += value
        if update % how.validate_every == 0 or update == how.updates:
            accuracy = float(
                (predict(network, validation.images, how.input_size).argmax(1) == validation.labels).mean()
            )
            history.append((update, running / how.validate_every, accuracy))
            updates.tell(loss=history[-1][1], accuracy=accuracy)
            running = 0.0
            if accuracy >= max((a for _, _, a in history), default=0.0):
                best = Fitted(snapshot(network), update, history)
    return Fitted(best.state, best.update, history)


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights in the plain layout that safetensors stores."""
    state = network.state_dict().items()
    return {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in state}


@torch.no_grad()
def predict(network: nn.Module, images: Images, input_size: int, batch_size: int = 64) -> npt.NDArray[np.float32]:
    """Class probabilities (N, classes); every batch has the same shape."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    out = []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        padded = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), axis=0)])
        x = resized(pixels(padded), input_size).to(device)
        out.append(network(x).float().softmax(1).cpu().numpy()[: len(batch)])
    network.train(was_training)
    return np.concatenate(out)


def pixels(images: Images) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) normalised by ImageNet's mean and standard deviation."""
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
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
    grid = F.affine_grid(torch.from_numpy(theta), [n, 3, how.input_size, how.input_size], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def resized(x: Tensor, size: int) -> Tensor:
    """(B, C, H, W) at (size, size), unchanged where it has that size."""
    return x if x.shape[-1] == size else F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)


def rate(step: int, how: Supervision) -> float:
    """The learning rate's factor: ``cosine`` to zero, or ``step``: a tenth at each milestone (share of the updates)."""
    if how.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, step / how.updates)))
    return 0.1 ** sum(step >= m * how.updates for m in how.milestones)

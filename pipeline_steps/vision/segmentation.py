"""Segmenters: segmentation-models-pytorch's U-Net, their loop at equal updates, and overlap scores."""

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.stage.progress import Track
from pipeline_steps.vision.loop import Fitted, Images, Labelled, Supervision, augment, pixels, rate, resized, snapshot

Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_LEAST_WIDTH = 16  # channels of the finest decoder level; each coarser one has twice as many


class SegmenterParams(Supervision):
    """``segmenter`` in params.yaml: a U-Net (Ronneberger et al. 2015) on ``depth`` levels of a named encoder."""

    encoder: str
    depth: int
    pretrained: bool


def new_segmenter(encoder: str, depth: int, *, pretrained: bool, seed: int) -> nn.Module:
    """A U-Net with fresh (or ImageNet) encoder weights: (B, 3, H, W) to logits (B, 1, H, W)."""
    torch.manual_seed(seed)
    widths = [_LEAST_WIDTH * 2**level for level in reversed(range(depth))]
    weights = "imagenet" if pretrained else None
    network: nn.Module = smp.Unet(encoder, encoder_depth=depth, encoder_weights=weights, decoder_channels=widths)
    return network.to(memory_format=torch.channels_last)


def load_segmenter(folder: Path) -> nn.Module:
    """The trained segmenter in ``folder``."""
    config = json.loads((folder / "config.json").read_text())
    network = new_segmenter(config["encoder"], config["depth"], pretrained=False, seed=0)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return network.to("cuda" if torch.cuda.is_available() else "cpu")


def fit_segmenter(network: nn.Module, train: Labelled, validation: Labelled, how: Supervision, what: str) -> Fitted:
    """Train ``network`` in place by Dice + cross-entropy; of equally good checkpoints the latest is kept.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device).train()
    optimiser = torch.optim.AdamW(network.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, how))
    best, history, running = Fitted({}, 0, []), [], 0.0
    updates = Track(range(1, how.updates + 1), what, how.updates)
    for update in updates:
        rng = np.random.default_rng([how.seed, update])
        rows = rng.integers(len(train.images), size=how.batch_size)
        x, wanted = _turned(train.images[rows], train.labels[rows], how, rng)
        loss = overlap_loss(network(x.to(device))[:, 0], wanted.to(device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"{what}: loss is {value} at update {update}; lower segmenter.learning_rate")
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        running += value
        if update % how.validate_every == 0 or update == how.updates:
            score = float(dice(segment(network, validation.images, how.input_size), validation.labels).mean())
            history.append((update, running / how.validate_every, score))
            updates.tell(loss=history[-1][1], dice=score)
            running = 0.0
            if score >= max(s for _, _, s in history):
                best = Fitted(snapshot(network), update, history)
    return Fitted(best.state, best.update, history)


def _turned(images: Images, masks: Masks, how: Supervision, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images (B, 3, S, S) and masks (B, S, S) under the same random crops, turns and flips."""
    both = torch.cat([pixels(images), torch.from_numpy(masks[:, None].astype(np.float32))], dim=1)
    turned = augment(both, how, rng)
    return turned[:, :3], (turned[:, 3] > 0.5).float()


def overlap_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over images (B, H, W) of soft Dice loss (Milletari et al. 2016) + binary cross-entropy."""
    shown = logits.sigmoid()
    both, either = (shown * truth).sum(dim=(1, 2)), (shown.square() + truth.square()).sum(dim=(1, 2))
    return (1 - (2 * both + 1) / (either + 1)).mean() + F.binary_cross_entropy_with_logits(logits, truth)


@torch.no_grad()
def segment(network: nn.Module, images: Images, input_size: int, batch_size: int = 64) -> Masks:
    """Masks (N, H, W) at the images' own size; every batch has the same shape."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    out = []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        padded = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), axis=0)])
        logits = network(resized(pixels(padded), input_size).to(device)).float()
        logits = F.interpolate(logits, images.shape[1:3], mode="bilinear")
        out.append((logits[:, 0] > 0).cpu().numpy()[: len(batch)])
    network.train(was_training)
    return np.concatenate(out)


def dice(one: Masks, other: Masks) -> Floats:
    """Dice coefficient (N,) of pairs of masks (N, H, W); 1 where both are empty."""
    both, sizes = (one & other).sum(axis=(1, 2)), one.sum(axis=(1, 2)) + other.sum(axis=(1, 2))
    return np.where(sizes > 0, 2 * both / np.maximum(sizes, 1), 1.0)


def iou(one: Masks, other: Masks) -> Floats:
    """Intersection over union (N,) of pairs of masks (N, H, W); 1 where both are empty."""
    both, either = (one & other).sum(axis=(1, 2)), (one | other).sum(axis=(1, 2))
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)

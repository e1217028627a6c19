"""Segmenters: segmentation-models-pytorch's U-Net, and its training on pairs."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.measures.segmenters.overlap import Masks, dice
from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.records.image_files import ImageRows, Picked
from pipeline_steps.stage.device import best_device
from pipeline_steps.stage.errors import DataError
from pipeline_steps.training.batches import Batch
from pipeline_steps.training.losses import soft_dice_loss
from pipeline_steps.training.precision import computing_in, recorded_precision
from pipeline_steps.training.supervised import Fitted, SupervisedTask, fit
from pipeline_steps.training.validation import validation_rows
from pipeline_steps.vision.views import IMAGENET, Labelled, Normalisation, augment, outputs, pixels

_WEIGHTS = "imagenet"
_LEAST_WIDTH = 16  # channels of the finest decoder level; each coarser one has twice as many


def new_segmenter(encoder: str, depth: int, *, pretrained: bool, seed: int) -> nn.Module:
    """A U-Net with fresh (or ImageNet) encoder weights: (B, 3, H, W) to logits (B, 1, H, W).

    Raises:
        DataError: the library has no such encoder, or its pretrained weights can't be had.
    """
    torch.manual_seed(seed)
    widths = [_LEAST_WIDTH * 2**level for level in reversed(range(depth))]
    weights = _WEIGHTS if pretrained else None
    try:
        network: nn.Module = smp.Unet(encoder, encoder_depth=depth, encoder_weights=weights, decoder_channels=widths)
    except KeyError:
        raise DataError(
            f"segmentation-models-pytorch has no encoder {encoder!r}{f' with {weights} weights' if weights else ''}; "
            "see its get_encoder_names() and set segmenter.encoder"
        ) from None
    except OSError as error:
        raise DataError(
            f"ImageNet weights of encoder {encoder!r} can't be loaded ({type(error).__name__}); "
            "set segmenter.pretrained to false, or fill the Hugging Face cache on a machine with a network"
        ) from None
    return network.to(memory_format=torch.channels_last)


def load_segmenter(folder: Path) -> nn.Module:
    """The trained segmenter in ``folder``."""
    config = json.loads((folder / "config.json").read_text())
    network = new_segmenter(config["encoder"], config["depth"], pretrained=False, seed=0)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return computing_in(network.to(best_device()), recorded_precision(config))


def encoder_normalisation(encoder: str, *, pretrained: bool) -> Normalisation:
    """What the named encoder's weights were trained with; ImageNet's for one of ours, which starts from random ones.

    Raises:
        DataError: the encoder reads something else than red, green and blue from 0 to 1.
    """
    if not pretrained:
        return IMAGENET
    known = smp.encoders.get_preprocessing_params(encoder, pretrained=_WEIGHTS)
    if known["input_space"] != "RGB" or known["input_range"] != [0, 1]:
        raise DataError(
            f"segmenter.encoder {encoder!r} reads {known['input_space']} of {known['input_range']}, which images here "
            "are not; choose another, or set segmenter.pretrained to false"
        )
    return Normalisation(tuple(known["mean"]), tuple(known["std"]))


def fit_segmenter(
    network: nn.Module,
    train: Labelled,
    validation: Labelled,
    how: Supervision,
    what: str,
    *,
    norm: Normalisation,
    checkpoint: Path | None = None,
) -> Fitted:
    """Train ``network`` in place by Dice + cross-entropy, chosen by its Dice on validation masks that mark something.

    Of many such masks a fixed sample is measured (``validation_rows``). ``checkpoint`` as for ``fit``.

    Raises:
        DataError: no validation mask marks anything.
    """
    marked = _marked(validation.labels, what)
    held, truth_of_held = Picked(validation.images, marked), Picked(validation.labels, marked)

    def draw(seed: list[int]) -> Batch:
        rng = np.random.default_rng(seed)
        rows = rng.integers(len(train.images), size=how.batch_size)
        device = next(network.parameters()).device
        x, truth = _augmented(pixels(train.images[rows], device, norm), train.labels[rows], how, rng)
        return {"x": x, "truth": truth}

    def loss(batch: Batch) -> Tensor:
        logits, truth = network(batch["x"])[:, 0], batch["truth"]
        return soft_dice_loss(logits.sigmoid(), truth).mean() + F.binary_cross_entropy_with_logits(logits, truth)

    def score() -> float:
        pairs = segment(network, held, how.input_size, norm)
        return float(np.concatenate([dice(found, truth_of_held[rows]) for rows, found in pairs]).mean())

    return fit(network, SupervisedTask(draw, loss, score, "dice"), how, what, checkpoint)


def _marked(masks: ImageRows | Masks, what: str) -> list[int]:
    """Rows of the validation masks that mark something: all, or a sample of many."""
    marked = [i for i in range(len(masks)) if masks[i].any()]
    if not marked:
        raise DataError(f"{what}: none of {len(masks)} validation masks marks anything; look at the data set's masks")
    return [marked[i] for i in validation_rows(len(marked))]


def _augmented(x: Tensor, masks: Masks, how: Supervision, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images (B, 3, S, S) and masks (B, S, S) under the same random crops, turns and flips."""
    both = augment(torch.cat([x, torch.from_numpy(masks[:, None]).to(x)], dim=1), how, rng)
    return both[:, :3], (both[:, 3] > 0.5).float()


def segment(
    network: nn.Module, images: ImageRows, input_size: int, norm: Normalisation
) -> Iterator[tuple[slice, Masks]]:
    """Masks (B, H, W) at the images' own size, batch by batch, with the rows that each batch holds."""
    start, size = 0, images[0].shape[:2]
    for logits in outputs(network, images, input_size, norm):
        found = F.interpolate(logits, size, mode="bilinear", antialias=True)[:, 0]
        yield slice(start, start + len(found)), (found > 0).cpu().numpy()
        start += len(found)

"""Classifiers: class-balanced batches under classic augmentation, and their predictions."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.parameters.arms import Classic
from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.records.image_files import ImageRows, Picked
from pipeline_steps.training.batches import Batch
from pipeline_steps.training.supervised import Fitted, SupervisedTask, fit
from pipeline_steps.training.validation import validation_rows
from pipeline_steps.vision.classic import mixed_batch, under_policy
from pipeline_steps.vision.views import Labelled, Normalisation, augment, outputs, pixels


def fit_classifier(
    network: nn.Module,
    train: Labelled,
    validation: Labelled,
    how: Supervision,
    what: str,
    *,
    norm: Normalisation,
    classic: Classic,
    checkpoint: Path | None = None,
) -> Fitted:
    """Train ``network`` in place by cross-entropy, chosen by its accuracy; as timm's do, it has ``num_classes``.

    The accuracy is that on all validation images, or of a large set on a fixed sample (``validation_rows``).
    What ``classic`` draws is drawn apart, so that it changes no crop or flip. ``checkpoint`` as for ``fit``.
    """
    measured = validation_rows(len(validation.images))
    held, images = np.asarray(validation.labels)[measured], Picked(validation.images, measured.tolist())
    classes = np.asarray(train.labels)
    pools = [np.flatnonzero(classes == k) for k in np.unique(classes)]

    def draw(seed: list[int]) -> Batch:
        rng = np.random.default_rng(seed)
        rows = np.array([rng.choice(pools[k]) for k in rng.integers(len(pools), size=how.batch_size)])
        policy_seed, mix_seed = (int(s) for s in np.random.default_rng([*seed, 1]).integers(2**62, size=2))
        device = next(network.parameters()).device
        x = augment(pixels(under_policy(train.images[rows], classic, policy_seed), device, norm), how, rng)
        labels = torch.from_numpy(classes[rows]).to(device)
        x, labels = mixed_batch(x, labels, int(network.num_classes), classic, mix_seed)  # type: ignore[arg-type]
        return {"x": x, "labels": labels}

    def loss(batch: Batch) -> Tensor:
        return F.cross_entropy(network(batch["x"]), batch["labels"])

    def accuracy() -> float:
        found = predict(network, images, how.input_size, norm).argmax(1)
        return float((found == held).mean())

    return fit(network, SupervisedTask(draw, loss, accuracy, "accuracy"), how, what, checkpoint)


def predict(network: nn.Module, images: ImageRows, input_size: int, norm: Normalisation) -> npt.NDArray[np.float32]:
    """Class probabilities (N, classes)."""
    return np.concatenate([o.softmax(1).cpu().numpy() for o in outputs(network, images, input_size, norm)])

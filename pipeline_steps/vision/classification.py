"""Classifiers: class-balanced batches under classic augmentation, and their predictions."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.parameters.arms import Classic
from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.training.supervised import Fitted, Task, fit
from pipeline_steps.vision.classic import mixed_batch, under_policy
from pipeline_steps.vision.views import Images, Labelled, Normalisation, augment, outputs, pixels


def fit_classifier(
    network: nn.Module,
    train: Labelled,
    validation: Labelled,
    how: Supervision,
    what: str,
    *,
    norm: Normalisation,
    classic: Classic,
    classes: int,
) -> Fitted:
    """Train ``network`` of so many ``classes`` in place by cross-entropy, chosen by its accuracy.

    What ``classic`` draws is drawn apart, so that it changes no crop or flip.
    """
    pools = [np.flatnonzero(train.labels == k) for k in np.unique(train.labels)]

    def loss(rng: np.random.Generator, update: int) -> Tensor:
        rows = np.array([rng.choice(pools[k]) for k in rng.integers(len(pools), size=how.batch_size)])
        policy_seed, mix_seed = (int(s) for s in np.random.default_rng([how.seed, update, 1]).integers(2**62, size=2))
        device = next(network.parameters()).device
        x = augment(pixels(under_policy(train.images[rows], classic, policy_seed), device, norm), how, rng)
        labels = torch.from_numpy(train.labels[rows]).to(device)
        x, wanted = mixed_batch(x, labels, classes, classic, mix_seed)
        return F.cross_entropy(network(x), wanted)

    def accuracy() -> float:
        found = predict(network, validation.images, how.input_size, norm).argmax(1)
        return float((found == validation.labels).mean())

    return fit(network, Task(loss, accuracy, "accuracy"), how, what)


def predict(network: nn.Module, images: Images, input_size: int, norm: Normalisation) -> npt.NDArray[np.float32]:
    """Class probabilities (N, classes)."""
    return np.concatenate([o.softmax(1).cpu().numpy() for o in outputs(network, images, input_size, norm)])

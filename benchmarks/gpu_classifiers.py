"""The paper's three networks in training, measured."""

import numpy as np

from benchmarks.full_size import FULL, Size
from benchmarks.gpu_measures import Found, Measured, measure
from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.vision.arms import ArmParams
from pipeline_steps.vision.classification import fit_classifier
from pipeline_steps.vision.networks import network_normalisation, new_network
from pipeline_steps.vision.views import Labelled


def bench_classifiers(size: Size, batch: int = 256) -> Found:
    """The paper's three networks on images of full size, cropped and turned to 224."""
    batch = batch if size is FULL else 4
    rng = np.random.default_rng(0)
    data = Labelled(
        rng.integers(0, 256, (2 * batch, size.side, size.side, 3), dtype=np.uint8), np.arange(2 * batch) % 7
    )
    return {f"{name}, batch {batch}": {"ours": _classifier(name, data, batch, size.steps)} for name in size.networks}


def _classifier(name: str, data: Labelled, batch: int, updates: int) -> Measured:
    arm = ArmParams(images="real", copies=1, seed=0, policy="none", mix="none", mix_alpha=1.0)
    network = new_network(name, 7, 224, pretrained=False, seed=0)
    few = Labelled(data.images[:1], data.labels[:1])  # nearly no validation

    def train(count: int) -> None:
        how, norm = _supervision(batch, count), network_normalisation(network)
        fit_classifier(network, data, few, how, name, norm=norm, classic=arm)

    train(3)
    return measure(batch * updates, lambda: train(updates))


def _supervision(batch: int, updates: int) -> Supervision:
    return Supervision(
        updates=updates,
        batch_size=batch,
        learning_rate=1e-4,
        weight_decay=0.0,
        schedule="step",
        milestones=(0.3, 0.6),
        validate_every=updates + 1,
        input_size=224,
        crop_scale=(0.8, 1.0),
        rotation_degrees=15.0,
        horizontal_flip=True,
        precision="float32",
        seed=0,
    )

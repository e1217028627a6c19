"""Is the phantom's task well posed, and is there a gap to close? ``python -m benchmarks.phantom_task``.

A small classifier trained on plenty of phantoms of all types should be right on every type; one trained on types I and
II alone should fall on V and VI. Writes docs/phantom.md and a contact sheet. No augmenter is involved.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES, ROMAN
from pipeline_steps.reporting.markdown import table
from pipeline_steps.vision.classic import Classic
from pipeline_steps.vision.classification import fit_classifier, predict
from pipeline_steps.vision.networks import new_network
from pipeline_steps.vision.views import IMAGENET, Labelled

DOCS = Path("docs")
NAMES = sorted(CONDITIONS)
HOW = Supervision(
    updates=700,
    batch_size=64,
    learning_rate=3e-3,
    weight_decay=0.01,
    schedule="cosine",
    milestones=(),
    validate_every=350,
    input_size=64,
    crop_scale=(0.8, 1.0),
    rotation_degrees=15,
    horizontal_flip=True,
    precision="float32",
    seed=0,
)
PLAIN = Classic(policy="none", mix="none", mix_alpha=1.0)


def phantoms(types: tuple[int, ...], each: int, seed: int) -> tuple[Labelled, np.ndarray]:
    """``each`` images a condition x type, and their types."""
    cells = [(k, t, i) for k in range(len(NAMES)) for t in types for i in range(each)]
    images = np.stack([render_condition(NAMES[k], t, seed + 1000 * k + i).image for k, t, i in cells])
    return Labelled(images, np.array([k for k, _, _ in cells])), np.array([t for _, t, _ in cells])


def main() -> None:
    """Train twice, test on all types, write."""
    torch.set_num_threads(2)
    tests, tested_type = phantoms(FITZPATRICK_TYPES, 60, 900_000_000)
    validation, _ = phantoms(FITZPATRICK_TYPES, 4, 800_000_000)
    rows = []
    for words, types, each in (("all six types", FITZPATRICK_TYPES, 100), ("types I and II alone", (1, 2), 300)):
        train, _ = phantoms(types, each, 700_000_000)
        network = new_network("resnet_small", len(NAMES), 64, pretrained=False, seed=0)
        fit_classifier(network, train, validation, HOW, words, norm=IMAGENET, classic=PLAIN)
        right = predict(network, tests.images, 64, IMAGENET).argmax(1) == tests.labels
        by_level = [f"{right[tested_type == t].mean():.1%}" for t in FITZPATRICK_TYPES]
        rows.append([f"{words} ({len(train.images)} images)", *by_level])
    DOCS.mkdir(exist_ok=True)
    _sheet().save(DOCS / "phantom.png")
    head = ["trained on", *(ROMAN[t] for t in FITZPATRICK_TYPES)]
    text = f"""# The phantom, measured

Made by `./run python -m benchmarks.phantom_task`. Columns: {", ".join(NAMES)}, three of each; rows: types I to VI.

![contact sheet](phantom.png)

Accuracy of a small ResNet (700 updates of 64) on {len(tests.images)} fresh phantoms, by skin type:

{table(head, rows)}

The first row says that the task is well posed, the second that there is a gap to close. No augmenter was involved.
"""
    (DOCS / "phantom.md").write_text(text, "utf-8")


def _sheet() -> Image.Image:
    rows = [
        np.concatenate([render_condition(n, t, 40 + 7 * k + i).image for k, n in enumerate(NAMES) for i in range(3)], 1)
        for t in FITZPATRICK_TYPES
    ]
    return Image.fromarray(np.concatenate(rows))


if __name__ == "__main__":
    main()

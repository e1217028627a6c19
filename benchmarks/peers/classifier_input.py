"""A classifier's training batches at 224 px beside a plain torchvision loop."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.peers.compared import Compared, in_turn, seconds
from benchmarks.peers.models import phantoms
from pipeline_steps.parameters.supervision import Supervision
from pipeline_steps.pixels.images import digest
from pipeline_steps.records.image_files import IMAGES, ImageFiles, file_of, write_image
from pipeline_steps.vision.views import IMAGENET, augment, pixels

SIZE, BATCH = 224, 32
FORMS: dict[str, dict[str, Any]] = {"jpeg": {"quality": 90}, "png": {}}


class Photographs(torch.utils.data.Dataset[torch.Tensor]):
    """Files as a plain torchvision data set reads them."""

    def __init__(self, paths: list[Path]) -> None:
        from torchvision import transforms

        self._paths = paths
        self._transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(SIZE, scale=(0.8, 1.0)),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET.mean, IMAGENET.std),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, row: int) -> torch.Tensor:
        with Image.open(self._paths[row]) as image:
            return self._transform(image.convert("RGB"))


def compare_input(sides: tuple[int, ...], images: int, repeats: int, work: Path) -> tuple[list[Compared], str]:
    """Batches of 32 of photographs of these ``sides``; and where our time goes."""
    rows, said = [], []
    for side in sides:
        shown = phantoms(images, (1, 2, 5, 6), 9000, side)[0]
        files = _our_files(work / f"set-{side}", shown)
        for form, options in FORMS.items():
            loader = torch.utils.data.DataLoader(
                Photographs(_their_files(work / f"{form}-{side}", shown, form, options)), BATCH, shuffle=True
            )
            found = in_turn(repeats, lambda files=files: _ours(files), lambda loader=loader: _theirs(loader))
            what = f"classifier input, photographs of {side} px"
            rows.append(Compared(what, f"torchvision, {form.upper()}", f"a batch of {BATCH}", *found, 3.0))
        said.append(_profile(files, side))
    return rows, "\n".join(said)


def _our_files(folder: Path, images: np.ndarray) -> ImageFiles:
    digests = [digest(image) for image in images]
    for image, name in zip(images, digests, strict=True):
        write_image(folder, IMAGES, name, image)
    return ImageFiles([file_of(folder, IMAGES, name) for name in digests], digests)


def _their_files(folder: Path, images: np.ndarray, form: str, options: dict[str, Any]) -> list[Path]:
    folder.mkdir(parents=True)
    paths = [folder / f"{i:04d}.{form}" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path, **options)
    return paths


def _how() -> Supervision:
    return Supervision(
        updates=1, batch_size=BATCH, learning_rate=1e-3, weight_decay=0, schedule="cosine", milestones=(),
        validate_every=1, input_size=SIZE, crop_scale=(0.8, 1.0), rotation_degrees=0, horizontal_flip=True,
        precision="float32", seed=0,
    )  # fmt: skip


def _ours(files: ImageFiles) -> float:
    """Seconds a batch, of as many batches as an epoch has."""
    rng, batches = np.random.default_rng(0), len(files) // BATCH

    def epoch() -> None:
        for _ in range(batches):
            rows = rng.integers(len(files), size=BATCH)
            augment(pixels(files[rows], torch.device("cpu"), IMAGENET), _how(), rng)

    return seconds(epoch) / batches


def _theirs(loader: Any) -> float:
    return seconds(lambda: list(map(len, loader))) / len(loader)


def _profile(files: ImageFiles, side: int) -> str:
    rng, rows, device = np.random.default_rng(0), np.arange(BATCH), torch.device("cpu")
    read, x = files[rows], pixels(files[rows], device, IMAGENET)
    parts = {
        "reading": lambda: files[rows],
        "to normalised numbers": lambda: pixels(read, device, IMAGENET),
        "crop, flip and resizing": lambda: augment(x, _how(), rng),
    }
    times = ", ".join(f"{what} {1000 * min(seconds(part) for _ in range(3)):.0f} ms" for what, part in parts.items())
    return f"Our batch of {BATCH} photographs of {side} px: {times}."

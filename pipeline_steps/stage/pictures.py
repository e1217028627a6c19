"""Pictures of work in progress: files in ``runs/previews``, which the flow shows in its UI."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

FOLDER = Path("runs/previews")
_SIDE = 128  # pixels; larger images are shown as thumbnails


def show(rows: Sequence[Sequence[npt.NDArray[np.uint8]]], name: str) -> None:
    """Keep rows of images (H, W, 3) as ``runs/previews/<name>.png``, and say so in a line that the flow knows."""
    small = [[_thumbnail(image) for image in row] for row in rows]
    height, width, _ = small[0][0].shape
    sheet = np.full((height * len(small), width * max(map(len, small)), 3), 255, np.uint8)
    for i, row in enumerate(small):
        sheet[i * height : (i + 1) * height, : width * len(row)] = np.concatenate(row, axis=1)
    path = FOLDER / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)
    tqdm.write(f"preview: {path}", file=sys.stdout)
    sys.stdout.flush()


def _thumbnail(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if max(image.shape[:2]) <= _SIDE:
        return image
    picture = Image.fromarray(image)
    picture.thumbnail((_SIDE, _SIDE))
    return np.asarray(picture)

"""Feature extractors by name: the shipped small network, clean-fid's Inception, CLIP.

Every extractor maps images (N, H, W, 3) uint8 to features (N, D) float32 and has a fixed batch shape.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from timm.models.resnet import BasicBlock, ResNet
from torch import Tensor, nn

from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import CacheStats, ItemStore, item_key
from pipeline_steps.pixels.images import digests_of
from pipeline_steps.records.image_files import ImageRows
from pipeline_steps.stage.device import best_device
from pipeline_steps.stage.errors import DataError

Images = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]
BATCH = 32
INCEPTION_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"


@dataclass(frozen=True)
class Extractor:
    """``weights`` is a digest for cache keys; ``extract`` takes a batch (B, H, W, 3) uint8."""

    name: str
    weights: str
    extract: Callable[[Images], Features]


class MarkNetwork(nn.Module):
    """The shipped feature network: a small ResNet with heads for marks, colours and skin type.

    Trained on generic phantoms; ``forward`` gives the heads' logits, ``features`` the 128-d mean features.
    """

    def __init__(self, kinds: int, colours: int) -> None:
        super().__init__()
        self.trunk = ResNet(BasicBlock, (1, 1, 1, 1), 0, channels=(32, 64, 96, 128), stem_width=32)
        self.trunk.maxpool = nn.Identity()
        self.heads = nn.ModuleDict(
            {"kind": nn.Linear(128, kinds), "colour": nn.Linear(128, colours), "skin": nn.Linear(128, 6)}
        )

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] to (B, 128)."""
        out: Tensor = self.trunk(x)
        return out

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Logits of each head from (B, 3, H, W) in [-1, 1]."""
        f = self.features(x)
        return {name: head(f) for name, head in self.heads.items()}


def load_mark_network(folder: Path) -> MarkNetwork:
    """Load the shipped network.

    Raises:
        DataError: the folder is not there.
    """
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder} holds no feature network; restore it with 'git checkout {folder}'")
    config = json.loads((folder / "config.json").read_text())
    network = MarkNetwork(len(config["kinds"]), len(config["colours"]))
    weights = {k: v.float() if v.is_floating_point() else v for k, v in load_file(folder / "model.safetensors").items()}
    network.load_state_dict(weights)
    return network.eval().to(memory_format=torch.channels_last)


@lru_cache(maxsize=2)
def extractor(name: str, location: str) -> Extractor:
    """The extractor ``name`` (``shipped``, ``inception``, ``clip``) with weights at ``location``.

    Raises:
        DataError: unknown name, or weights that are missing or not what they should be.
    """
    if name not in _EXTRACTORS:
        raise DataError(f"features.extractor {name!r} is none of {', '.join(_EXTRACTORS)}")
    return _EXTRACTORS[name](Path(location))


def _shipped(folder: Path) -> Extractor:
    network = load_mark_network(folder)

    def extract(images: Images) -> Features:
        with torch.no_grad():
            return network.features(_pixels(images)).numpy()

    return Extractor("shipped", _file_digest(folder / "model.safetensors"), extract)


def _inception(file: Path) -> Extractor:
    """The Inception-v3 of clean-fid (Parmar et al. 2022) with its resizing; the file is checked before loading."""
    if not file.is_file():
        raise DataError(f"{file} does not exist: put clean-fid's inception-2015-12-05.pt there (features.location)")
    if _file_digest(file) != INCEPTION_SHA256:
        raise DataError(f"{file} is not inception-2015-12-05.pt: its SHA-256 differs")
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    device = best_device()
    network = InceptionV3W(str(file.parent), download=False, resize_inside=False).to(device).eval()
    resize = build_resizer("clean")

    def extract(images: Images) -> Features:
        batch = torch.from_numpy(np.stack([resize(i) for i in images])).permute(0, 3, 1, 2)
        with torch.no_grad():
            return network(batch.to(device)).float().cpu().numpy()

    return Extractor("inception", INCEPTION_SHA256, extract)


def _clip(folder: Path) -> Extractor:
    """Image embeddings of a CLIP model in a local folder, under clean-fid's resizing to its input size.

    Mean and deviation are the model's own, of its ``preprocessor_config.json``: not all CLIPs have OpenAI's.
    """
    from cleanfid.resize import make_resizer
    from transformers import CLIPVisionModelWithProjection

    if not (folder / "config.json").is_file():
        raise DataError(f"{folder} holds no CLIP model; set features.location to a local copy")
    normalisation = folder / "preprocessor_config.json"
    try:
        said = json.loads(normalisation.read_text("utf-8"))
        mean, std = (torch.tensor(said[k], dtype=torch.float32).reshape(3) for k in ("image_mean", "image_std"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        raise DataError(
            f"{normalisation} gives no image_mean and image_std of three channels: copy it from where the model is from"
        ) from None
    network = CLIPVisionModelWithProjection.from_pretrained(folder, dtype=torch.float32).eval()
    device = best_device()
    network.to(device)
    side = network.config.image_size
    resize = make_resizer("PIL", quantize_after=False, filter="bicubic", output_size=(side, side))

    def extract(images: Images) -> Features:
        batch = torch.from_numpy(np.stack([resize(i) for i in images])) / 255
        with torch.no_grad():
            embeds = network(((batch - mean) / std).permute(0, 3, 1, 2).to(device)).image_embeds
            return embeds.float().cpu().numpy()

    weights = f"{_file_digest(folder / 'model.safetensors')} {mean.tolist()} {std.tolist()}"
    return Extractor("clip", weights, extract)


_EXTRACTORS: dict[str, Callable[[Path], Extractor]] = {"shipped": _shipped, "inception": _inception, "clip": _clip}


def cached_features(e: Extractor, images: ImageRows, store: ItemStore) -> tuple[Features, CacheStats]:
    """Features (N, D) of images (N, H, W, 3), computed once for each distinct image."""
    code = code_version("pipeline_steps.features.extractors")
    keys = [item_key("features", code, extractor=e.name, weights=e.weights, image=d) for d in digests_of(images)]

    def compute(batch: list[int]) -> list[bytes]:
        return [row.astype("<f4").tobytes() for row in e.extract(images[batch])]

    values, use = store.get_or_compute(keys, compute, BATCH, f"{e.name} features")
    if not keys:
        return np.empty((0, 1), np.float32), use
    features = np.empty((len(keys), len(values[0]) // 4), np.float32)
    for row, value in enumerate(values):
        features[row] = np.frombuffer(value, "<f4")
    return features, use


def _pixels(images: Images) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _file_digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()

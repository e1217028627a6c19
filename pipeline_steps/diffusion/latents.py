"""Images as latents, encoded once: no frozen encoder runs twice on the same bytes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_steps.diffusion.families import Family
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.stored import StoredTensors, TensorRows, tensor_bytes
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import CacheStats, ItemStore, item_key
from pipeline_steps.pixels.images import digests_of
from pipeline_steps.records.image_files import ImageRows

_BATCH = 16


@dataclass(frozen=True)
class LatentSet:
    """The encoder's posterior of N images: ``rows`` (N, 2, C, h, w) of its mean and standard deviation, unscaled."""

    rows: TensorRows

    def __len__(self) -> int:
        """How many images."""
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w) of one image's latents."""
        _, channels, height, width = self.rows[torch.tensor([0])][0].shape
        return channels, height, width

    def mean(self, rows: Tensor) -> Tensor:
        """The posterior's mean at ``rows``, (B, C, h, w)."""
        return self.rows[rows][:, 0]

    def draw(self, f: Family, c: Components, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Sample the posterior at ``rows`` and scale it for the denoiser, (B, C, h, w) on the CPU."""
        mean, std = self.rows[rows].unbind(1)
        return f.scale(c, mean + std * torch.randn(mean.shape, generator=rng))


def encode_images(f: Family, c: Components, images: ImageRows, store: ItemStore) -> tuple[LatentSet, CacheStats]:
    """Latents of images (N, H, W, 3) uint8, keyed by their bytes and the model's weights."""
    code = code_version("pipeline_steps.diffusion.latents")
    keys = [item_key("latent", code, image=d, base=c.digest, dtype=str(c.dtype)) for d in digests_of(images)]

    def compute(batch: list[int]) -> list[bytes]:
        return [tensor_bytes(both) for both in torch.stack(f.encode(c, images[batch]), dim=1)]

    values, use = store.get_or_compute(keys, compute, _BATCH, "latents")
    return LatentSet(StoredTensors(values)), use

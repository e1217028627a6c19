"""Images as latents, encoded once: no frozen encoder runs twice on the same bytes."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline_steps.diffusion.families import Family, Images
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import CacheStats, ItemStore, item_key
from pipeline_steps.pixels.images import digest

_BATCH = 16


@dataclass(frozen=True)
class LatentSet:
    """Mean and standard deviation (N, C, h, w) of the encoder's posterior, unscaled."""

    mean: Tensor
    std: Tensor

    def draw(self, f: Family, c: Components, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Sample the posterior at ``rows`` and scale it for the denoiser, (B, C, h, w) on the CPU."""
        mean, std = self.mean[rows], self.std[rows]
        return f.scale(c, mean + std * torch.randn(mean.shape, generator=rng))


def encode_images(f: Family, c: Components, images: Images, store: ItemStore) -> tuple[LatentSet, CacheStats]:
    """Latents of images (N, H, W, 3) uint8, keyed by their bytes and the model's weights."""
    code = code_version("pipeline_steps.diffusion.latents")
    keys = [item_key("latent", code, image=digest(i), base=c.digest, dtype=str(c.dtype)) for i in images]

    def compute(batch: list[int]) -> list[bytes]:
        both = torch.stack(f.encode(c, images[batch]), dim=1).float().cpu().numpy()
        return [row.astype("<f4").tobytes() for row in both]

    values, use = store.get_or_compute(keys, compute, _BATCH, "latents")
    if not values:
        return LatentSet(torch.empty(0), torch.empty(0)), use
    probe = torch.stack(f.encode(c, images[:1]), dim=1).shape[1:]
    stacked = torch.from_numpy(np.stack([np.frombuffer(v, "<f4").reshape(probe) for v in values]))
    return LatentSet(stacked[:, 0].contiguous(), stacked[:, 1].contiguous()), use

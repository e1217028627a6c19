"""What an adapter draws while it is being trained: the same prompts from the same noise, every so many steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_steps.diffusion.families import Family
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.sample import Sampling, Shape, denoised, image_latents
from pipeline_steps.stage import pictures


def quick_sampling(f: Family) -> Sampling:
    """Text-to-image in few steps."""
    return Sampling(
        scheduler=f.quick_scheduler,
        scheduler_options={},
        num_inference_steps=10,
        guidance_scale=3.0,
        guidance_interval=(0.0, 1.0),
        strength=1.0,
    )


@dataclass(frozen=True)
class Preview:
    """Text-to-image samples of a few prompts, given as embeddings (B, L, D) beside the empty prompt's (L, D).

    ``shape``: of one image's latents; ``conditioning_latents`` (B, K, h, w): what an inpainting denoiser sees, too.
    """

    f: Family
    c: Components
    prompts: Sequence[Tensor]
    empty: Tensor
    name: str
    shape: Shape
    conditioning_latents: Tensor | None = None

    def draw(self, step: int) -> None:
        """Show one row of samples as ``<name>-<step>``. Draws on no random stream of the training."""
        embeds = torch.stack(list(self.prompts))
        empty, seeds = self.empty.expand_as(embeds), range(len(self.prompts))
        x = denoised(
            self.f,
            self.c,
            quick_sampling(self.f),
            (embeds, empty),
            self.shape,
            seeds,
            conditioning_latents=self.conditioning_latents,
        )
        pictures.show([list(self.f.decode(self.c, image_latents(self.c, x)))], f"{self.name}-{step:06d}")

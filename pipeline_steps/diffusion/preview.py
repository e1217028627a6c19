"""What an adapter draws while it is being trained: the same prompts from the same noise, every so many steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline_steps.diffusion.families import Components, Family
from pipeline_steps.diffusion.sample import Sampling, sample
from pipeline_steps.stage import pictures

_SAMPLING = Sampling(
    scheduler="DPMSolverMultistepScheduler",
    scheduler_options={},
    num_inference_steps=10,
    guidance_scale=3.0,
    guidance_interval=(0.0, 1.0),
    strength=1.0,
)


@dataclass(frozen=True)
class Preview:
    """Text-to-image samples of a few prompts, given as embeddings (B, L, D) beside the empty prompt's (L, D)."""

    f: Family
    c: Components
    prompts: Sequence[Tensor]
    empty: Tensor
    name: str

    def draw(self, step: int) -> None:
        """Show one row of samples as ``<name>-<step>``. Draws on no random stream of the training."""
        embeds = torch.stack(list(self.prompts))
        images = sample(
            self.f, self.c, _SAMPLING, (embeds, self.empty.expand_as(embeds)), None, range(len(self.prompts))
        )
        pictures.show([list(images)], f"{self.name}-{step:06d}")

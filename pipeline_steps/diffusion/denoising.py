"""The loss of denoising latents on a frozen base model, and of fine-tuning the denoiser by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.diffusion.families import Family
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.latents import LatentSet
from pipeline_steps.diffusion.mask_channels import mask_loss, normalised
from pipeline_steps.diffusion.objectives import Objective, min_snr_weights, noisy, target
from pipeline_steps.diffusion.stored import Embeddings, TensorRows
from pipeline_steps.parameters.mask_terms import MaskTerms
from pipeline_steps.records.captioned import Words
from pipeline_steps.records.image_files import ImageRows
from pipeline_steps.training.batches import Batch, BatchLoss, step_generator


@dataclass(frozen=True)
class DenoisingTask:
    """A base model and the latents that it learns to denoise. ``snr_gamma`` 0 means the plain loss.

    ``masks`` (N, H, W) are needed where ``lesion_weight`` is not 1 (how much the error within a lesion
    counts) and with ``mask_terms`` (then the latents' second half is the masks'). ``conditioning_latents``
    (N, V, K, h, w): what an inpainting denoiser sees with each image, one of V regions at a time.
    """

    f: Family
    c: Components
    latents: LatentSet
    batch_size: int
    snr_gamma: float
    masks: ImageRows | None = None
    lesion_weight: float = 1.0
    mask_terms: MaskTerms | None = None
    conditioning_latents: TensorRows | None = None

    @cached_property
    def objective(self) -> Objective:
        """What is trained on these latents; the noise levels depend on their size (Flux)."""
        return self.f.objective(self.c, torch.empty((1, *self.latents.shape), device="meta")).on(self.c.device)

    def masks_at(self, rows: Tensor) -> Tensor:
        """Masks of 0 and 1 at ``rows``, (B, H, W)."""
        assert self.masks is not None
        return torch.from_numpy(self.masks[rows.numpy()].astype(np.float32))


def draw_noised(task: DenoisingTask, rows: Tensor, rng: torch.Generator) -> Batch:
    """A batch of images ``rows`` on the CPU: latents of the posterior, noise, timesteps and regions, which are random.

    And their masks, where the loss needs them.
    """
    x0 = task.latents.draw(task.f, task.c, rows, rng)
    if task.mask_terms is not None:
        image_half, mask_half = x0.chunk(2, dim=1)
        x0 = torch.cat([image_half, normalised(task.c.denoiser, mask_half)], dim=1)
    noise = torch.randn(x0.shape, generator=rng)
    timesteps = torch.randint(len(task.objective.alpha), (len(rows),), generator=rng)
    batch = {"rows": rows, "x0": x0, "noise": noise, "timesteps": timesteps}
    if task.conditioning_latents is not None:
        batch["conditioning"] = _one_region(task.conditioning_latents, rows, rng)
    if task.masks is not None and (task.lesion_weight != 1 or task.mask_terms is not None):
        batch["masks"] = task.masks_at(rows)
    return batch


def denoising_loss(task: DenoisingTask, batch: Batch, embeds: Tensor) -> Tensor:
    """Mean loss of predicting the objective's target for what was drawn, under embeddings (B, L, D)."""
    c, o = task.c, task.objective
    x0, noise, timesteps = (batch[name].to(c.device, non_blocking=True) for name in ("x0", "noise", "timesteps"))
    x_t = noisy(o, x0, noise, timesteps)
    taken = x_t
    if "conditioning" in batch:
        taken = torch.cat([x_t, batch["conditioning"].to(x_t, non_blocking=True)], dim=1)
    told = embeds.to(c.device, c.dtype, non_blocking=True)
    predicted = task.f.predict(c, taken.to(c.dtype), timesteps, told).float()
    wanted = target(o, x0, noise, timesteps)
    halves = 1 if task.mask_terms is None else 2
    image, *mask = (v.chunk(halves, dim=1) for v in (predicted - wanted, x_t, predicted, wanted))
    per_image = _weighted(image[0].square(), task, batch)
    if task.mask_terms is not None and task.masks is not None:
        noisy_mask, predicted_mask, wanted_mask = (v[1] for v in mask)
        truth = batch["masks"].to(c.device, non_blocking=True)
        parts = (noisy_mask, predicted_mask, wanted_mask, timesteps)
        per_image = per_image + mask_loss(task.mask_terms, (task.f, c), truth, parts)
    if task.snr_gamma > 0:
        per_image = per_image * min_snr_weights(o, timesteps, task.snr_gamma)
    return per_image.mean()


def _one_region(conditioning_latents: TensorRows, rows: Tensor, rng: torch.Generator) -> Tensor:
    """One of the regions of each image, (B, K, h, w)."""
    regions = conditioning_latents[rows]  # (B, V, K, h, w)
    return regions[torch.arange(len(rows)), torch.randint(regions.shape[1], (len(rows),), generator=rng)]


def _weighted(error: Tensor, task: DenoisingTask, batch: Batch) -> Tensor:
    """Mean (B,) of squared errors (B, C, h, w), those within lesions counted ``lesion_weight`` times."""
    if task.lesion_weight == 1 or task.masks is None:
        return error.mean(dim=(1, 2, 3))
    inside = F.interpolate(batch["masks"][:, None], error.shape[-2:], mode="area").to(error, non_blocking=True)
    weight = 1 + (task.lesion_weight - 1) * inside
    return (error.mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class Prior:
    """Prior preservation (Ruiz et al. 2023, eq. 2): the base's own images of ``embeds`` (L, D), and their weight."""

    task: DenoisingTask
    embeds: Tensor
    weight: float


def adapter_loss(
    task: DenoisingTask, captions: Sequence[Words], embeds: Embeddings[Words], prior: Prior | None = None
) -> BatchLoss:
    """The loss of fine-tuning the denoiser: embeddings are fixed and were computed once."""
    preserved = None if prior is None else prior.embeds.to(task.c.device, task.c.dtype)

    def draw(rng: torch.Generator) -> Batch:
        rows = torch.randint(len(captions), (task.batch_size,), generator=rng)
        batch = draw_noised(task, rows, rng)
        batch["embeds"] = torch.stack([embeds[captions[r]] for r in rows])
        if prior is not None:
            rows = torch.randint(len(prior.task.latents), (task.batch_size,), generator=rng)
            batch["prior"] = draw_noised(prior.task, rows, rng)
        return batch

    def loss(batch: Batch) -> Tensor:
        own = denoising_loss(task, batch, batch["embeds"])
        if prior is None or preserved is None:
            return own
        embedded = preserved.expand(len(batch["rows"]), -1, -1)
        return own + prior.weight * denoising_loss(prior.task, batch["prior"], embedded)

    return BatchLoss(draw, loss)


@torch.no_grad()
def validation_loss(task: DenoisingTask, captions: Sequence[Words], embeds: Embeddings[Words], seed: int) -> float:
    """The same loss on all images with the same noise and timesteps every time it is asked."""
    losses, count = 0.0, len(captions)
    for start in range(0, count, task.batch_size):
        rows = torch.arange(start, min(start + task.batch_size, count))
        batch = torch.stack([embeds[captions[r]] for r in rows])
        drawn = draw_noised(task, rows, step_generator(seed, start))
        losses += float(denoising_loss(task, drawn, batch)) * len(rows)
    return losses / max(count, 1)

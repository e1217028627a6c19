"""Images with their lesions' masks at once (SkinDualGen)."""

from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor

from pipeline_steps.diffusion.denoising import DenoisingTask
from pipeline_steps.diffusion.latents import LatentSet, encode_images
from pipeline_steps.diffusion.mask_channels import MaskImages, learn_scale, widen
from pipeline_steps.diffusion.stored import TensorRows
from pipeline_steps.diffusion.tasks.task import TrainingContext, TrainingTask
from pipeline_steps.items.store import default_store
from pipeline_steps.parameters.adapters import ImageAndMaskParams
from pipeline_steps.records.image_files import ImageRows


@dataclass(frozen=True)
class _BothHalves:
    """Latents of images (N, 2, C, h, w) and of their masks as one of twice the channels."""

    images: TensorRows
    masks: TensorRows

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return torch.cat([self.images[rows], self.masks[rows]], dim=2)


def _data(
    m: TrainingContext, params: ImageAndMaskParams, rows: pd.DataFrame, _images: ImageRows, plain: DenoisingTask
) -> DenoisingTask:
    masks = m.dataset.masks_of(rows["image_id"])
    grey, _ = encode_images(m.f, m.c, MaskImages(masks), default_store())
    latents = LatentSet(_BothHalves(plain.latents.rows, grey.rows))
    return replace(plain, masks=masks, latents=latents, mask_terms=params.mask_terms)


def _extend(denoising: DenoisingTask) -> list[Tensor]:
    """Widen the first and the last convolution, and learn how masks' latents are normalised."""
    f, c = denoising.f, denoising.c
    weights = widen(c.denoiser)
    each = (f.scale(c, denoising.latents.mean(torch.tensor([row]))) for row in range(len(denoising.latents)))
    learn_scale(c.denoiser, (latents.chunk(2, dim=1)[1] for latents in each))
    return weights


TASK = TrainingTask[ImageAndMaskParams](data=_data, extend=_extend)

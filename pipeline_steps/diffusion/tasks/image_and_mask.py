"""Images with their lesions' masks at once (SkinDualGen)."""

from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from pipeline_steps.diffusion.denoising import DenoisingTask
from pipeline_steps.diffusion.families import Images
from pipeline_steps.diffusion.latents import LatentSet, encode_images
from pipeline_steps.diffusion.mask_channels import as_images, learn_scale, widen
from pipeline_steps.diffusion.tasks.task import TrainingContext, TrainingTask, as_weights
from pipeline_steps.items.store import default_store
from pipeline_steps.parameters.adapters import ImageAndMaskParams


def _data(
    m: TrainingContext, params: ImageAndMaskParams, rows: pd.DataFrame, _images: Images, plain: DenoisingTask
) -> DenoisingTask:
    masks = m.dataset.masks_of(rows["image_id"])
    grey, _ = encode_images(m.f, m.c, as_images(masks), default_store())
    pairs = [(plain.latents.mean, grey.mean), (plain.latents.std, grey.std)]
    latents = LatentSet(*(torch.cat(pair, dim=1) for pair in pairs))
    return replace(plain, masks=as_weights(masks), latents=latents, mask_terms=params.mask_terms)


def _extend(denoising: DenoisingTask) -> list[Tensor]:
    """Widen the first and the last convolution, and learn how masks' latents are normalised."""
    f, c = denoising.f, denoising.c
    weights = widen(c.denoiser)
    learn_scale(c.denoiser, f.scale(c, denoising.latents.mean).chunk(2, dim=1)[1])
    return weights


TASK = TrainingTask[ImageAndMaskParams](data=_data, extend=_extend)

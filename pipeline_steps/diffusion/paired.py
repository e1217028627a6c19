"""Image and mask in one denoising pass, from text (SkinDualGen)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from torch import Tensor

from pipeline_steps.diffusion.augment import Model, SamplingPlan, generate_images, latent_shape
from pipeline_steps.diffusion.families import Images
from pipeline_steps.diffusion.mask_channels import denormalise, makes_masks
from pipeline_steps.diffusion.sample import denoised, sampling
from pipeline_steps.generation.jobs import GeneratedImages, Inputs, Job
from pipeline_steps.generation.modes.image_and_mask import ImageAndMaskParams
from pipeline_steps.items.store import Derived
from pipeline_steps.pixels.images import mask_png, png_bytes
from pipeline_steps.stage.errors import DataError


def image_and_mask(
    params: ImageAndMaskParams, inputs: Inputs, jobs: Sequence[Job], _train: pd.DataFrame
) -> GeneratedImages:
    """Images with their masks, from noise.

    Raises:
        DataError: the augmenter's adapter was not trained on images with masks.
    """
    made = generate_images(_pair, params, inputs, jobs)
    return replace(
        made,
        files=Derived(len(jobs), lambda i: _parted(made.files[i])[0]),
        masks=Derived(len(jobs), lambda i: _parted(made.files[i])[1]),
    )


def _pair(m: Model, params: ImageAndMaskParams, jobs: Sequence[Job]) -> SamplingPlan:
    if not makes_masks(m.c.denoiser):
        raise DataError("mode image_and_mask needs an adapter that was trained with task image_and_mask; name one")
    channels, *side = latent_shape(m)

    def make(batch: list[int], embeds: tuple[Tensor, Tensor]) -> Images:
        shape = (2 * channels, side[0], side[1])
        x = denoised(m.f, m.c, sampling(params, 1.0), embeds, shape, [jobs[i].seed for i in batch])
        latents, mask_half = x.chunk(2, dim=1)
        grey = m.f.decode(m.c, denormalise(m.c.denoiser, mask_half)).mean(axis=-1)
        images = m.f.decode(m.c, latents)
        masks = (grey > params.threshold * 255).astype(np.uint8) * 255
        return np.concatenate([images, masks[..., None]], axis=-1)

    return SamplingPlan(__name__, [{"threshold": params.threshold}] * len(jobs), make, _together)


def _together(both: Images) -> bytes:
    """The files of an image and its mask (H, W, 4) as one value: the length of the first in 8 bytes, then both."""
    image = png_bytes(both[..., :3])
    return len(image).to_bytes(8, "little") + image + mask_png(both[..., 3] > 0)


def _parted(both: bytes) -> tuple[bytes, bytes]:
    """The files of an image and its mask, as ``_together`` took them."""
    end = 8 + int.from_bytes(both[:8], "little")
    return both[8:end], both[end:]

"""What an inpainting denoiser sees beside the noisy latents: which part is to be painted, and the latents of the rest.

Rombach et al. 2022, section 4.5; the channel order is that of diffusers' StableDiffusionInpaintPipeline.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.diffusion.families import Family, Images
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.mask_channels import wider
from pipeline_steps.diffusion.stored import StoredTensors, TensorRows, tensor_bytes
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import ItemStore, item_key
from pipeline_steps.pixels.images import digests_of
from pipeline_steps.records.image_files import ImageRows
from pipeline_steps.stage.errors import DataError

_GREY = 127  # of what is to be painted: 0 in [-1, 1]
_BATCH = 16


def for_inpainting(denoiser: Any) -> None:
    """Widen a text-to-image denoiser, in place, to see a mask and masked latents, which change nothing yet."""
    channels = 2 * denoiser.config.out_channels + 1
    denoiser.conv_in = wider(denoiser.conv_in, in_channels=channels)
    denoiser.register_to_config(in_channels=channels)


def check_base(c: Components) -> None:
    """Whether the denoiser takes a mask and masked latents.

    Raises:
        DataError: it does not.
    """
    channels, wanted = c.denoiser.config.in_channels, 2 * c.denoiser.config.out_channels + 1
    if channels != wanted:
        raise DataError(
            f"the denoiser takes {channels} channels, one for inpainting {wanted}; "
            "set base to an entry of base_models that is an inpainting checkpoint"
        )


def conditioning(f: Family, c: Components, images: Images, regions: npt.NDArray[np.bool_]) -> Tensor:
    """Mask (1 where to paint) and scaled latents of the rest of ``images``: (B, 1 + C, h, w)."""
    rest = f.scale(c, f.encode(c, without(images, regions))[0])
    return torch.cat([_small(regions, rest), rest], dim=1)


def without(images: Images, regions: npt.NDArray[np.bool_]) -> Images:
    """``images`` (B, H, W, 3) with ``regions`` (B, H, W) grey."""
    return np.where(regions[..., None], np.uint8(_GREY), images)


def _small(regions: npt.NDArray[np.bool_], like: Tensor) -> Tensor:
    mask = torch.from_numpy(regions[:, None].astype(np.float32))
    return F.interpolate(mask, like.shape[-2:]).to(like)


def training_conditions(
    f: Family, c: Components, images: ImageRows, lesions: ImageRows, store: ItemStore
) -> TensorRows:
    """What an inpainting denoiser sees beside each image in training: (N, 2, 1 + C, h, w).

    Two regions an image, the lesion and its surroundings, each encoded once.
    """
    code = code_version(__name__)
    keys = [
        item_key("masked latents", code, image=image, lesion=lesion, base=c.digest, dtype=str(c.dtype))
        for image, lesion in zip(digests_of(images), digests_of(lesions), strict=True)
    ]

    def compute(batch: list[int]) -> list[bytes]:
        pixels, within = images[batch], lesions[batch]
        made = [conditioning(f, c, pixels, region) for region in (within, ~within)]
        return [tensor_bytes(both) for both in torch.stack(made, dim=1)]

    values, _ = store.get_or_compute(keys, compute, _BATCH, "masked latents")
    return StoredTensors(values)

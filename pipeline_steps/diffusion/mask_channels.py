"""A denoiser of image and mask at once (SkinDualGen, arXiv 2507.19970; no code is public, so the layout is ours).

The mask, as a grey image, goes through the same autoencoder; its latents are denoised beside the image's by one
network whose first and last convolutions are widened. What they add starts at zero: the image half is the base model's.
The latents of black and white lie far from those of photographs, so the mask half is normalised by channel, as any
latents must be that are mixed with noise of unit variance.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.diffusion.families import Family, Images
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.objectives import clean_from_prediction
from pipeline_steps.parameters.mask_terms import MaskTerms
from pipeline_steps.records.image_files import ImageRows
from pipeline_steps.stage.errors import DataError
from pipeline_steps.training.losses import soft_dice_loss

CONVOLUTIONS = "convolutions.safetensors"
# Logit of a decoded pixel of 1: white says lesion, and black says none, with a probability of 0.99.
_LOGIT_OF_WHITE = math.log(99)


@dataclass(frozen=True)
class MaskImages:
    """``masks`` (N, H, W) as grey images (N, H, W, 3)."""

    masks: ImageRows

    def __len__(self) -> int:
        """How many there are."""
        return len(self.masks)

    def __getitem__(self, rows: Any) -> Images:
        """Those at ``rows``."""
        return np.repeat(self.masks[rows][..., None].astype(np.uint8) * 255, 3, axis=-1)


def makes_masks(denoiser: Any) -> bool:
    """Whether ``denoiser`` was widened."""
    return bool(getattr(denoiser, "widened", False))


def widen(denoiser: Any) -> list[Tensor]:
    """Double the latent channels that ``denoiser`` takes and gives; the weights of both convolutions, to be trained.

    The new inputs' weights and the new outputs' weights are zero; once widened, it stays as it is.
    """
    if denoiser.config.in_channels != denoiser.config.out_channels:
        raise DataError("a denoiser for inpainting can't make masks, too; set base to a text-to-image model")
    if not makes_masks(denoiser):
        channels = 2 * denoiser.config.out_channels
        denoiser.conv_in = wider(denoiser.conv_in, in_channels=channels)
        denoiser.conv_out = wider(denoiser.conv_out, out_channels=channels)
        denoiser.register_to_config(in_channels=channels, out_channels=channels)
        denoiser.widened = True
        denoiser.mask_scale = (torch.zeros(1), torch.ones(1))
    return [*denoiser.conv_in.parameters(), *denoiser.conv_out.parameters()]


def wider(old: nn.Conv2d, in_channels: int | None = None, out_channels: int | None = None) -> nn.Conv2d:
    """A convolution with more channels that gives on the old ones what ``old`` gave: all that is new is zero."""
    shape: dict[str, Any] = {"kernel_size": old.kernel_size, "stride": old.stride, "padding": old.padding}
    new = nn.Conv2d(in_channels or old.in_channels, out_channels or old.out_channels, **shape).to(old.weight)
    assert new.bias is not None
    assert old.bias is not None
    with torch.no_grad():
        new.weight.zero_()
        new.bias.zero_()
        new.weight[: old.out_channels, : old.in_channels] = old.weight
        new.bias[: old.out_channels] = old.bias
    return new.requires_grad_(requires_grad=False)


def learn_scale(denoiser: Any, latents: Iterable[Tensor]) -> None:
    """Have the mask half normalised by mean and deviation of masks' scaled latents, given in parts (B, C, h, w).

    Counts, means and squares about them are merged part by part (Chan, Golub and LeVeque 1983, eq. 2.1), in 64 bits.
    """
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for part in latents:
        values = part.double().transpose(0, 1).flatten(1)  # (C, B h w)
        own, n = values.mean(dim=1), values.shape[1]
        apart = own - mean
        squares = squares + (values - own[:, None]).square().sum(dim=1) + apart.square() * (count * n / (count + n))
        mean, count = mean + apart * (n / (count + n)), count + n
    std = (squares / (count - 1)).sqrt()
    denoiser.mask_scale = (mean.float().view(-1, 1, 1), std.float().clamp_min(1e-3).view(-1, 1, 1))


def normalised(denoiser: Any, latents: Tensor) -> Tensor:
    """Scaled latents of masks (B, C, h, w) as the denoiser sees them."""
    mean, std = (v.to(latents) for v in denoiser.mask_scale)
    return (latents - mean) / std


def denormalise(denoiser: Any, latents: Tensor) -> Tensor:
    """The mask half of what the denoiser sees, (B, C, h, w), as scaled latents."""
    mean, std = (v.to(latents) for v in denoiser.mask_scale)
    return latents * std + mean


def save_convolutions(denoiser: Any, folder: Path) -> None:
    """Write the widened convolutions, and how masks are normalised, beside the adapter."""
    parts = {"conv_in": denoiser.conv_in, "conv_out": denoiser.conv_out}
    state = {f"{n}.{k}": v.detach().cpu().contiguous() for n, p in parts.items() for k, v in p.state_dict().items()}
    scale = dict(zip(("mask.mean", "mask.std"), denoiser.mask_scale, strict=True))
    save_file({**state, **{k: v.contiguous() for k, v in scale.items()}}, folder / CONVOLUTIONS)


def load_convolutions(denoiser: Any, folder: Path) -> None:
    """Widen the denoiser and give it the trained convolutions of ``folder``, and its normalisation of masks."""
    widen(denoiser)
    state = load_file(folder / CONVOLUTIONS)
    denoiser.mask_scale = (state["mask.mean"], state["mask.std"])
    for name in ("conv_in", "conv_out"):
        own = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
        getattr(denoiser, name).load_state_dict(own)


def mask_loss(
    terms: MaskTerms, model: tuple[Family, Components], truth: Tensor, halves: tuple[Tensor, Tensor, Tensor, Tensor]
) -> Tensor:
    """The mask half's share of the loss, (B,).

    ``truth``: masks (B, H, W) of 0 and 1; ``halves``: of the mask's normalised latents (B, C, h, w) the noisy ones, the
    prediction and its target, and the timesteps (B,). Decoded with gradients, at low noise alone: at high noise the
    clean mask that a prediction implies says nothing.
    """
    f, c = model
    x_t, predicted, wanted, timesteps = halves
    o = f.objective(c, x_t)
    loss = terms.latent * F.mse_loss(predicted, wanted, reduction="none").mean(dim=(1, 2, 3))
    near = o.sigma.to(timesteps.device)[timesteps] <= terms.below_sigma
    if terms.overlap > 0 and bool(near.any()):
        rows = near.nonzero()[:, 0]
        clean = clean_from_prediction(o, x_t[rows], predicted[rows], timesteps[rows])
        added = terms.overlap * overlap_loss(f.pixels(c, denormalise(c.denoiser, clean)), truth[rows])
        loss = loss.index_add(0, rows, added)
    return loss


def overlap_loss(decoded: Tensor, truth: Tensor) -> Tensor:
    """Soft Dice loss + binary cross-entropy of decoded masks (B, 3, H, W) and true ones (B, H, W) of 0 and 1: (B,).

    A decoded value, about -1 (black) to 1 (white), is a logit up to a factor: grey says nothing, white says lesion with
    a probability of 0.99. Nothing is clamped, so a wrong pixel has a gradient at any value; one that is right costs
    next to nothing from the right end on, and is not pulled back from beyond it. Each colour channel answers for
    itself: in their mean, one that is far off would hide the others. Dice takes the mean of the channels'
    probabilities. SkinDualGen's code is not public: this is ours.
    """
    logits = _LOGIT_OF_WHITE * decoded
    wanted = truth[:, None].expand_as(logits)
    bce = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(dim=(1, 2, 3))
    return soft_dice_loss(logits.sigmoid().mean(dim=1), truth) + bce

"""Classic augmentation: torchvision's policies on single images, and mixing of pairs within a batch.

TrivialAugment (Müller and Hutter 2021), AutoAugment (Cubuk et al. 2019), RandAugment (Cubuk et al. 2020), AugMix
(Hendrycks et al. 2020), mixup (Zhang et al. 2018), CutMix (Yun et al. 2019), with torchvision's settings.
"""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from pipeline_steps.stage.params import Params

_POLICIES: dict[str, Any] = {
    "trivial_augment_wide": v2.TrivialAugmentWide,
    "auto_augment": v2.AutoAugment,
    "rand_augment": v2.RandAugment,
    "augmix": v2.AugMix,
}
_MIXES: dict[str, Any] = {"mixup": v2.MixUp, "cutmix": v2.CutMix}


class Classic(Params):
    """``mix_alpha``: both parameters of the beta distribution that the mixed share is drawn from."""

    policy: Literal["none", "trivial_augment_wide", "auto_augment", "rand_augment", "augmix"]
    mix: Literal["none", "mixup", "cutmix"]
    mix_alpha: float


def changed(images: np.ndarray, how: Classic, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """Images (B, H, W, 3) uint8, each under a random draw of the policy."""
    if how.policy == "none":
        return images
    apply = _POLICIES[how.policy](interpolation=v2.InterpolationMode.BILINEAR)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        each = [apply(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)) for image in images]
    return torch.stack(each).permute(0, 2, 3, 1).numpy()


def mixed(x: Tensor, labels: Tensor, classes: int, how: Classic, seed: int) -> tuple[Tensor, Tensor]:
    """A batch (B, 3, H, W) mixed with itself, and its class probabilities (B, classes); unmixed, its labels (B,)."""
    if how.mix == "none":
        return x, labels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        both: tuple[Tensor, Tensor] = _MIXES[how.mix](alpha=how.mix_alpha, num_classes=classes)(x, labels)
    return both

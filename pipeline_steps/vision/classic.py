"""Classic augmentation: torchvision's policies on single images, and mixing of pairs within a batch.

TrivialAugment (Müller and Hutter 2021), AutoAugment (Cubuk et al. 2019), RandAugment (Cubuk et al. 2020), AugMix
(Hendrycks et al. 2020), mixup (Zhang et al. 2018), CutMix (Yun et al. 2019), with torchvision's settings.
"""

import numpy as np
import torch
from torch import Tensor

from pipeline_steps.parameters.arms import Classic

_POLICIES = {
    "trivial_augment_wide": "TrivialAugmentWide",
    "auto_augment": "AutoAugment",
    "rand_augment": "RandAugment",
    "augmix": "AugMix",
}
_MIXES = {"mixup": "MixUp", "cutmix": "CutMix"}


def under_policy(images: np.ndarray, how: Classic, seed: int) -> np.ndarray:  # type: ignore[type-arg]
    """Images (B, H, W, 3) uint8, each under a random draw of the policy."""
    if how.policy == "none":
        return images
    from torchvision.transforms import v2  # late: most arms do without, and it takes seconds

    apply = getattr(v2, _POLICIES[how.policy])(interpolation=v2.InterpolationMode.BILINEAR)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        each = [apply(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)) for image in images]
    return torch.stack(each).permute(0, 2, 3, 1).numpy()


def mixed_batch(x: Tensor, labels: Tensor, classes: int, how: Classic, seed: int) -> tuple[Tensor, Tensor]:
    """A batch (B, 3, H, W) mixed with itself, and its class probabilities (B, classes); unmixed, its labels (B,)."""
    if how.mix == "none":
        return x, labels
    from torchvision.transforms import v2

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        both: tuple[Tensor, Tensor] = getattr(v2, _MIXES[how.mix])(alpha=how.mix_alpha, num_classes=classes)(x, labels)
    return both

"""Losses that several rooms train with."""

from torch import Tensor


def soft_dice_loss(probabilities: Tensor, truth: Tensor) -> Tensor:
    """One minus the soft Dice coefficient of masks (B, H, W) in [0, 1]: (B,).

    The complement of Milletari et al. 2016, eq. 1, whose denominator is of squares. Not segmentation-models-pytorch's
    DiceLoss, which has no squares, is one number a batch, and leaves out masks that mark nothing.
    """
    both = (probabilities * truth).sum(dim=(1, 2))
    sizes = (probabilities.square() + truth.square()).sum(dim=(1, 2))
    return 1 - (2 * both + 1) / (sizes + 1)

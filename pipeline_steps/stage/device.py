"""Where a stage computes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def best_device() -> "torch.device":
    """The GPU, where there is one, else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    prepare_cuda()
    return torch.device("cuda")


def prepare_cuda() -> None:
    """Settings of a GPU that every stage wants."""
    import torch

    # Products of 32-bit matrices in TF32, as convolutions are by default: a ViT trains 2.5 times as fast.
    torch.backends.cuda.matmul.allow_tf32 = True
    # cuDNN's attention fails in its backward pass at Flux's shapes (torch 2.11 on an H200); flash attention does not.
    torch.backends.cuda.enable_cudnn_sdp(enabled=False)

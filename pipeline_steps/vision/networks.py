"""Classifier architectures: timm's by name, and small members of three of its families for small images."""

from collections.abc import Callable

import timm
import torch
from timm.layers import ClassifierHead
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vgg import VGG
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from pipeline_steps.records.errors import DataError


def _vgg_small(num_classes: int, _image_size: int) -> nn.Module:
    """VGG's stacked convolutions and pooling; its 4096-wide layers, made for 224 px, are left out."""
    cfg: list[int | str] = [24, "M", 48, "M", 96, "M", 128, "M"]
    network = VGG(cfg, num_classes, norm_layer=nn.BatchNorm2d, mlp_ratio=1 / 64)
    network.pre_logits = nn.Identity()
    network.head = ClassifierHead(128, num_classes, drop_rate=0.1)
    return network


def _resnet_small(num_classes: int, _image_size: int) -> nn.Module:
    """ResNet without the stem's pooling, which would leave a quarter of a small image's side."""
    network = ResNet(BasicBlock, (1, 1, 1, 1), num_classes, channels=(24, 48, 96, 128), stem_width=24)
    network.maxpool = nn.Identity()
    return network


def _vit_small(num_classes: int, image_size: int) -> nn.Module:
    return VisionTransformer(
        image_size, image_size // 8, num_classes=num_classes, embed_dim=96, depth=4, num_heads=4, mlp_ratio=2.0
    )


SMALL: dict[str, Callable[[int, int], nn.Module]] = {
    "vgg_small": _vgg_small,
    "resnet_small": _resnet_small,
    "vit_small": _vit_small,
}


def new_network(name: str, num_classes: int, image_size: int, *, pretrained: bool, seed: int) -> nn.Module:
    """A classifier with fresh (or, for timm names, ImageNet) weights: (B, 3, H, W) to logits (B, num_classes).

    Raises:
        DataError: neither one of ours nor timm's, or its pretrained weights can't be had.
    """
    torch.manual_seed(seed)
    # Convolutions run up to twice as fast on channels-last weights, on CPUs as on GPUs.
    return _new(name, num_classes, image_size, pretrained=pretrained).to(memory_format=torch.channels_last)


def _new(name: str, num_classes: int, image_size: int, *, pretrained: bool) -> nn.Module:
    if name in SMALL:
        return SMALL[name](num_classes, image_size)
    if not timm.is_model(name):
        raise DataError(f"architecture {name!r} is neither {', '.join(SMALL)} nor a timm model (timm.list_models())")
    sized = {"img_size": image_size} if "vit" in name else {}
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=num_classes, **sized)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise DataError(
            f"ImageNet weights of {name!r} can't be loaded ({type(error).__name__}); "
            "set classifier.pretrained to false, or fill the Hugging Face cache on a machine with a network"
        ) from None

"""Classifier architectures: timm's by name, and small members of three of its families for small images."""

from collections.abc import Callable
from functools import partial
from inspect import signature

import timm
import torch
from timm.data import resolve_model_data_config
from timm.layers import ClassifierHead, PatchEmbed
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vgg import VGG
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from pipeline_steps.checkpoints.locations import commit_of, pretrained_id
from pipeline_steps.stage.errors import DataError
from pipeline_steps.vision.views import Normalisation


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
        DataError: neither one of ours nor timm's; it can't read images of that size, or only a part of them; or its
            pretrained weights can't be had.
    """
    if name in SMALL:
        make = partial(SMALL[name], num_classes, image_size)
    elif timm.is_model(name):
        make = partial(_of_timm, name, num_classes, pretrained=pretrained, **_sized(name, image_size))
    else:
        raise DataError(f"architecture {name!r} is neither {', '.join(SMALL)} nor a timm model (timm.list_models())")
    torch.manual_seed(seed)
    network = make()
    embed = getattr(network, "patch_embed", None)
    if isinstance(embed, PatchEmbed) and not embed.dynamic_img_pad and image_size % embed.patch_size[0]:
        raise DataError(
            f"architecture {name!r} would not see the rim of images of {image_size} px; "
            f"set classifier.input_size to a multiple of its patches' {embed.patch_size[0]} px"
        )
    # Convolutions run up to twice as fast on channels-last weights, on CPUs as on GPUs.
    return network.to(memory_format=torch.channels_last)


def network_normalisation(network: nn.Module) -> Normalisation:
    """What timm trained the network with; ImageNet's for ours, which timm has no configuration of."""
    known = resolve_model_data_config(network)
    return Normalisation(tuple(known["mean"]), tuple(known["std"]))


def _sized(name: str, image_size: int) -> dict[str, int]:
    """``img_size``, where the architecture is made for one size; tried without weights, which costs no memory.

    Raises:
        DataError: it can't read images of that size.
    """
    with torch.device("meta"):
        network = timm.create_model(name)
        made_for = network.pretrained_cfg["input_size"][-1]
        makers = (c for c in type(network).__mro__ if issubclass(c, nn.Module))
        sized = {"img_size": image_size} if any("img_size" in signature(c).parameters for c in makers) else {}
        try:
            network = timm.create_model(name, **sized).eval()
            network(torch.zeros(1, 3, image_size, image_size))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise DataError(
                f"architecture {name!r} can't read images of {image_size} px ({error}); "
                f"set classifier.input_size, to {made_for} for one"
            ) from None
    return sized


def pretrained_commit(name: str) -> dict[str, str]:
    """``id`` and ``commit`` of the hub model that holds timm's weights for ``name``; empty where it lies elsewhere.

    Raises:
        DataError: it has no pin.
    """
    hub_id = pretrained_id(name)
    commit = commit_of(hub_id, None) if hub_id else None
    return {"id": hub_id, "commit": commit} if hub_id and commit else {}


def _of_timm(name: str, num_classes: int, *, pretrained: bool, **options: int) -> nn.Module:
    if not pretrained:
        return timm.create_model(name, num_classes=num_classes, **options)
    at = pretrained_commit(name)
    overlay = {"hf_hub_id": f"{at['id']}@{at['commit']}"} if at else None
    try:
        return timm.create_model(
            name, pretrained=True, num_classes=num_classes, pretrained_cfg_overlay=overlay, **options
        )
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"ImageNet weights of {name!r} can't be loaded ({type(error).__name__}); "
            "set classifier.pretrained to false, or fill the Hugging Face cache on a machine with a network"
        ) from None

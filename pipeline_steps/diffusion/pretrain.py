"""Train a small Stable-Diffusion-shaped base model from scratch: autoencoder, tokenizer, text encoder, UNet.

The parts are diffusers' and transformers' own classes, so the result is an ordinary pipeline folder.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderTiny, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from tokenizers import pre_tokenizers
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline_steps.diffusion.objectives import Objective, diffusion_objective, noisy, stratified_timesteps, target
from pipeline_steps.stage.progress import Track
from pipeline_steps.training.batches import Batch, BatchLoss
from pipeline_steps.training.checkpoints import Checkpointing
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import Optimisation

Images = npt.NDArray[np.uint8]
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class DenoiserData:
    """Normalised latents (N, C, h, w), their captions' token ids (N, L), how often each is drawn (N,).

    ``empty_ids``: the token ids (1, L) of "", which guidance needs.
    """

    latents: Tensor
    token_ids: Tensor
    weights: Tensor
    empty_ids: Tensor


def as_pixels(images: Images) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def train_tokenizer(captions: Sequence[str], vocabulary: int, max_length: int) -> CLIPTokenizer:
    """Learn a CLIP-style lower-cased byte-pair tokenizer from ``captions``."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    alphabet = [*letters, *(letter + "</w>" for letter in letters)]
    blank = CLIPTokenizer(
        vocab={token: i for i, token in enumerate([*alphabet, BOS, EOS])}, merges=[], model_max_length=max_length
    )
    trained = blank.train_new_from_iterator(captions, vocabulary)
    merges = [tuple(pair) for pair in json.loads(trained.backend_tokenizer.to_str())["model"]["merges"]]
    merged = [a + b for a, b in merges]
    vocab = {token: i for i, token in enumerate(dict.fromkeys([*alphabet, *merged, BOS, EOS]))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=max_length)


def token_ids(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """Padded token ids (N, L) int64.

    Raises:
        ValueError: a caption does not fit the tokenizer's limit; nothing is cut silently.
    """
    limit = tokenizer.model_max_length
    ids = tokenizer(list(captions), padding="max_length", max_length=limit, truncation=False).input_ids
    longest = max(range(len(ids)), key=lambda i: len(ids[i]))
    if len(ids[longest]) > limit:
        raise ValueError(f"caption has {len(ids[longest])} tokens, the text encoder holds {limit}: {captions[longest]}")
    return torch.tensor(ids)


def train_autoencoder(
    images: Images, shape: dict[str, object], how: Optimisation, batch_size: int, save: Checkpointing | None
) -> tuple[AutoencoderTiny, list[float]]:
    """Train an AutoencoderTiny whose latents have about zero mean and unit variance in each channel.

    Loss: L1, L1 of image gradients (edges of small marks), L1 of opponent colours (hue), and a pull of each
    latent channel towards standard statistics, so that ``scaling_factor`` is 1.
    """
    torch.manual_seed(how.seed)
    vae = AutoencoderTiny(**shape, scaling_factor=1.0, force_upcast=False).train()
    vae = vae.to(_device(), memory_format=torch.channels_last)

    side = images.shape[1] // 2 ** (len(vae.config.encoder_block_out_channels) - 1)

    def draw(rng: torch.Generator) -> Batch:
        rows = torch.randint(len(images), (batch_size,), generator=rng)
        x = as_pixels(images[rows.numpy()])
        x = x.flip(-1) if torch.rand((), generator=rng) < 0.5 else x
        return {"x": x, "noise": torch.randn((batch_size, vae.config.latent_channels, side, side), generator=rng)}

    def loss(batch: Batch) -> Tensor:
        x = batch["x"].to(_device(), non_blocking=True)
        with _autocast():
            z = vae.encode(x).latents
            y = vae.decode(z + 0.05 * batch["noise"].to(z, non_blocking=True)).sample
        y, z = y.float(), z.float()
        return _reconstruction_loss(x, y) + 0.02 * _channel_statistics(z)

    whole = BatchLoss(draw, loss, divisible=False)  # channels have the statistics of a batch, not of its slices
    losses = optimise(list(vae.parameters()), whole, how, "autoencoder", checkpointing=save)
    return vae.eval(), losses


def _reconstruction_loss(x: Tensor, y: Tensor) -> Tensor:
    error = y - x
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    opponent = (error[:, 0] - error[:, 1]).abs().mean() + (error[:, 1] - error[:, 2]).abs().mean()
    return error.abs().mean() + edges + opponent + 2 * error.square().mean()


def _channel_statistics(z: Tensor) -> Tensor:
    std, mean = torch.std_mean(z, dim=(0, 2, 3))
    return mean.square().mean() + (std - 1).square().mean() + F.relu(z.abs() - 2.8).mean()


@torch.no_grad()
def encode_all(vae: AutoencoderTiny, images: Images, batch_size: int = 64) -> Tensor:
    """Latents (N, C, h, w) of all images."""
    starts = range(0, len(images), batch_size)
    latents = []
    for i in Track(starts, "encode", len(starts)):
        with _autocast():
            latents.append(vae.encode(as_pixels(images[i : i + batch_size]).to(_device())).latents.float().cpu())
    return torch.cat(latents)


def train_denoiser(
    data: DenoiserData,
    parts: tuple[CLIPTextModel, UNet2DConditionModel, DDPMScheduler],
    how: Optimisation,
    *,
    batch_size: int,
    caption_dropout: float,
    save: Checkpointing | None,
) -> list[float]:
    """Train text encoder and UNet together on cached latents; captions are dropped for guidance.

    The fused attention kernel's backward pass is slow on CPUs; plain products are faster.
    """
    text_encoder, unet, scheduler = parts
    if _device().type == "cpu":
        unet.set_attn_processor(AttnProcessor())
    model = nn.ModuleList([text_encoder, unet]).train().to(_device())
    objective = diffusion_objective(scheduler.alphas_cumprod, scheduler.config.prediction_type).on(_device())
    loss = _denoiser_loss((text_encoder, unet), objective)
    draw = partial(_drawn, data, len(objective.alpha), batch_size, caption_dropout)
    losses = optimise(list(model.parameters()), BatchLoss(draw, loss), how, "denoiser", checkpointing=save)
    model.eval().cpu()
    return losses


def _drawn(data: DenoiserData, levels: int, batch_size: int, caption_dropout: float, rng: torch.Generator) -> Batch:
    """Images by their weights, some without their caption, with noise."""
    rows = torch.multinomial(data.weights, batch_size, replacement=True, generator=rng)
    dropped = torch.rand(batch_size, generator=rng) < caption_dropout
    ids = torch.where(dropped[:, None], data.empty_ids, data.token_ids[rows])
    t, x0 = stratified_timesteps(batch_size, levels, rng), data.latents[rows]
    return {"ids": ids, "t": t, "x0": x0, "noise": torch.randn(x0.shape, generator=rng)}


def _denoiser_loss(
    parts: tuple[CLIPTextModel, UNet2DConditionModel], objective: Objective
) -> Callable[[Batch], Tensor]:
    text_encoder, unet = parts

    def loss(batch: Batch) -> Tensor:
        ids, t, x0, noise = (v.to(_device(), non_blocking=True) for v in batch.values())
        with _autocast():
            embeds = text_encoder(ids).last_hidden_state
            predicted = unet(noisy(objective, x0, noise, t), t, embeds).sample
        return F.mse_loss(predicted.float(), target(objective, x0, noise, t))

    return loss


def new_text_encoder(tokenizer: CLIPTokenizer, shape: dict[str, int], seed: int) -> CLIPTextModel:
    """A CLIP text encoder with fresh weights that fits ``tokenizer``."""
    torch.manual_seed(seed)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,
    )
    return CLIPTextModel(config)


def new_unet(shape: dict[str, object], seed: int) -> UNet2DConditionModel:
    """A cross-attention UNet with fresh weights."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(**shape)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _autocast() -> torch.autocast:
    return torch.autocast(_device().type, torch.bfloat16)

"""Train a small Flux-shaped base model: unigram tokenizer, T5 encoder and transformer, on another model's latents."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import CLIPTextConfig, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

from pipeline_steps.diffusion.flux import pack, positions
from pipeline_steps.diffusion.objectives import Objective, noisy, stratified_timesteps, target
from pipeline_steps.training.batches import Batch, BatchLoss
from pipeline_steps.training.checkpoints import Checkpointing
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import Optimisation


def unigram_tokenizer(texts: Sequence[str], vocabulary: int, max_length: int) -> T5TokenizerFast:
    """A unigram tokenizer, as T5's, that knows the most frequent words of ``texts`` and every letter.

    Words are whole pieces: texts of few words teach a unigram trainer syllables. An unknown word is spelled, not lost.
    """
    counts = Counter(re.findall(r"[\w-]+", " ".join(texts)))
    words = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:vocabulary]
    letters = ["\u2581", *(chr(code) for code in range(33, 127))]
    scores = {f"\u2581{word}": math.log(count / counts.total()) for word, count in words}
    spelled = {letter: min(scores.values()) - 10 for letter in letters}
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *{**spelled, **scores}.items()]
    return T5TokenizerFast(vocab=vocab, extra_ids=0, model_max_length=max_length)


def t5_config(tokenizer: Any, shape: dict[str, int]) -> T5Config:
    """The configuration of a T5 encoder that fits ``tokenizer``."""
    return T5Config(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        **shape,
    )


def clip_config(tokenizer: CLIPTokenizer, shape: dict[str, int]) -> CLIPTextConfig:
    """The configuration of a CLIP text encoder that fits ``tokenizer``."""
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,
    )


def new_t5(tokenizer: Any, shape: dict[str, int], seed: int) -> T5EncoderModel:
    """A T5 encoder with fresh weights."""
    torch.manual_seed(seed)
    return T5EncoderModel(t5_config(tokenizer, shape))


def new_transformer(shape: dict[str, Any], seed: int) -> FluxTransformer2DModel:
    """A Flux transformer with fresh weights."""
    torch.manual_seed(seed)
    return FluxTransformer2DModel(**shape)


@dataclass(frozen=True)
class FlowData:
    """Scaled latents (N, C, h, w), CLIP's pooled vectors (N, D), T5's token ids (N, L); the last two of "" as well."""

    latents: Tensor
    pooled: Tensor
    ids: Tensor
    empty_pooled: Tensor
    empty_ids: Tensor


def train_flow(
    data: FlowData,
    parts: tuple[T5EncoderModel, FluxTransformer2DModel, Objective],
    how: Optimisation,
    *,
    batch_size: int,
    caption_dropout: float,
    save: Checkpointing | None,
) -> list[float]:
    """Train T5 encoder and transformer together; captions are dropped for guidance."""
    t5, transformer, objective = parts
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = nn.ModuleList([t5, transformer]).train().to(device)
    height, width = data.latents.shape[-2:]
    loss = _flow_loss(parts, positions(height // 2, width // 2, device))
    draw = partial(_drawn, data, len(objective.sigma), batch_size, caption_dropout)
    losses = optimise(list(model.parameters()), BatchLoss(draw, loss), how, "flow", checkpointing=save)
    model.eval().cpu()
    return losses


def _drawn(data: FlowData, levels: int, batch_size: int, caption_dropout: float, rng: torch.Generator) -> Batch:
    """Images, some without their caption, with noise."""
    rows = torch.randint(len(data.latents), (batch_size,), generator=rng)
    dropped = (torch.rand(batch_size, generator=rng) < caption_dropout)[:, None]
    ids = torch.where(dropped, data.empty_ids, data.ids[rows])
    pooled = torch.where(dropped, data.empty_pooled, data.pooled[rows])
    t, x0 = stratified_timesteps(batch_size, levels, rng), data.latents[rows]
    return {"ids": ids, "pooled": pooled, "t": t, "x0": x0, "noise": torch.randn(x0.shape, generator=rng)}


def _flow_loss(
    parts: tuple[T5EncoderModel, FluxTransformer2DModel, Objective], image_positions: Tensor
) -> Callable[[Batch], Tensor]:
    t5, transformer, device = parts[0], parts[1], image_positions.device
    objective = parts[2].on(device)

    def loss(batch: Batch) -> Tensor:
        ids, pooled, t, x0, noise = (v.to(device, non_blocking=True) for v in batch.values())
        with torch.autocast(device.type, torch.bfloat16):
            predicted = transformer(
                hidden_states=pack(noisy(objective, x0, noise, t)),
                encoder_hidden_states=t5(ids).last_hidden_state,
                pooled_projections=pooled,
                timestep=objective.sigma[t],
                img_ids=image_positions,
                txt_ids=torch.zeros(ids.shape[1], 3, device=device),
            ).sample
        return F.mse_loss(predicted.float(), pack(target(objective, x0, noise, t)))

    return loss

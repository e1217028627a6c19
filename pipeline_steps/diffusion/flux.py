"""Flux (Black Forest Labs 2024): rectified flow on packed latents, conditioned on T5 tokens and CLIP's pooled vector.

One tensor carries both conditions, so that the loop knows one embedding a prompt: (B, 1 + L, D), whose first row is the
pooled vector, padded with zeros, and whose others are the T5 encoder's. Latents stay (B, C, h, w) outside ``predict``.
"""

import inspect
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.diffusion.hub import BaseModel, Components, autocast, bring_text_encoders, digest_of, resolve
from pipeline_steps.diffusion.objectives import Objective
from pipeline_steps.stage.device import best_device
from pipeline_steps.stage.errors import DataError

# What a guidance-distilled model is told while it is fine-tuned: as all examples in diffusers' README_flux.md have it
# (--guidance_scale=1; the script's own default is 3.5).
_TRAINING_GUIDANCE = 1.0


def load_flux(base: BaseModel) -> Components:
    """Load a pipeline with CLIP and T5 encoders, an autoencoder and a FluxTransformer2DModel; safetensors only."""
    from diffusers import AutoencoderKL, AutoencoderTiny, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
    from diffusers.utils import logging
    from transformers import AutoTokenizer, CLIPTextModel, CLIPTokenizer, T5EncoderModel

    logging.set_verbosity_error()
    folder = resolve(base)
    device = best_device()
    dtype = getattr(torch, base.dtype)
    tiny = "AutoencoderTiny" in (folder / "model_index.json").read_text("utf-8")
    text, image = {"dtype": dtype, "use_safetensors": True}, {"torch_dtype": dtype, "use_safetensors": True}
    clip = CLIPTextModel.from_pretrained(folder / "text_encoder", **text)
    t5 = T5EncoderModel.from_pretrained(folder / "text_encoder_2", **text)
    vae = (AutoencoderTiny if tiny else AutoencoderKL).from_pretrained(folder / "vae", **image)
    transformer = FluxTransformer2DModel.from_pretrained(folder / "transformer", **image)
    for part in (clip, t5, vae, transformer):
        part.requires_grad_(requires_grad=False).eval()
    for part in (vae, transformer):
        part.to(device)
    tokenizers = (
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        AutoTokenizer.from_pretrained(folder / "tokenizer_2"),
    )
    return Components(
        tokenizers=tokenizers,
        text_encoders=(clip, t5),
        vae=vae,
        denoiser=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        digest=digest_of(base, folder),
        device=device,
        dtype=dtype,
    )


def objective(c: Components, latents: Tensor) -> Objective:
    """What is trained on ``latents`` (B, C, h, w)."""
    return flow_objective(c.scheduler, latents.shape[-2] * latents.shape[-1] // 4)


def flow_objective(scheduler: Any, tokens: int) -> Objective:
    """Rectified flow at the scheduler's own noise levels for images of so many tokens, the first the least noisy.

    Timesteps drawn evenly among them follow the shift under which the same images are sampled: the scheduler's static
    one, or (FLUX.1-dev's ``use_dynamic_shifting``) the one of ``shift_for``. Esser et al. 2024 (section 5.3.2, eq. 23)
    take one shift for training and sampling. Black Forest Labs' code only samples; diffusers'
    train_dreambooth_lora_flux.py leaves a dynamic shift out; kohya's sd-scripts (``flux_shift``) puts it in.
    """
    sigma = scheduler.sigmas[: scheduler.config.num_train_timesteps].float().flip(0)
    if scheduler.config.use_dynamic_shifting:  # then a new scheduler's levels are even
        sigma = scheduler.time_shift(shift_for(scheduler.config, tokens), 1.0, sigma)
    return Objective(1 - sigma, sigma, torch.ones_like(sigma), -torch.ones_like(sigma))


def shift_for(config: Any, tokens: int) -> float:
    """The shift mu of images of so many tokens, on a line (``get_schedule`` in Black Forest Labs' sampling.py)."""
    slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len)
    mu: float = config.base_shift + slope * (tokens - config.base_image_seq_len)
    return mu


def embed(c: Components, ids: Tensor) -> Tensor:
    """CLIP's and T5's token ids (B, L1 + L2) to (B, 1 + L2, D)."""
    bring_text_encoders(c)
    clip, t5 = c.text_encoders
    ids = ids.to(c.device, non_blocking=True)
    length = c.tokenizers[0].model_max_length
    pooled, words = clip(ids[:, :length]).pooler_output, t5(ids[:, length:]).last_hidden_state
    return torch.cat([F.pad(pooled, (0, words.shape[-1] - pooled.shape[-1]))[:, None], words], dim=1)


def predict(c: Components, x_t: Tensor, timesteps: Tensor, embeds: Tensor) -> Tensor:
    """The velocity (B, C, h, w); ``timesteps`` are training indices (integers) or a scheduler's (floats)."""
    return _velocity(c, x_t, timesteps, embeds, _TRAINING_GUIDANCE)


def guide(c: Components, embeds: tuple[Tensor, Tensor], x: Tensor, t: Tensor, scale: float) -> Tensor:
    """Guided velocity: the scale is an input of a distilled model (Meng et al. 2023), else guidance is classifier-free.

    In FluxPipeline the former is ``guidance_scale``, the latter ``true_cfg_scale`` with an empty negative prompt, of
    which there is none at 1 or less; there a distilled model may have both, here it has the former alone.
    """
    prompt, empty = embeds
    timesteps = t.reshape(1).repeat(len(x)).float()
    if c.denoiser.config.guidance_embeds or scale <= 1:
        return _velocity(c, x, timesteps, prompt, scale)
    both = _velocity(c, torch.cat([x, x]), torch.cat([timesteps, timesteps]), torch.cat([empty, prompt]), scale)
    without, with_prompt = both.chunk(2)
    return without + scale * (with_prompt - without)


def _velocity(c: Components, x_t: Tensor, timesteps: Tensor, embeds: Tensor, guidance: float) -> Tensor:
    config, (height, width) = c.denoiser.config, x_t.shape[-2:]
    if timesteps.is_floating_point():
        sigma = timesteps / c.scheduler.config.num_train_timesteps
    else:
        sigma = _noise_levels(c.scheduler, x_t.shape[-2] * x_t.shape[-1] // 4, x_t.device)[timesteps]
    words = embeds[:, 1:]
    with autocast(c):
        packed: Tensor = c.denoiser(
            hidden_states=pack(x_t),
            encoder_hidden_states=words,
            pooled_projections=embeds[:, 0, : config.pooled_projection_dim],
            timestep=sigma.to(x_t.dtype),
            img_ids=positions(height // 2, width // 2, x_t.device).to(x_t),
            txt_ids=x_t.new_zeros(words.shape[1], 3),
            guidance=x_t.new_full((len(x_t),), guidance) if config.guidance_embeds else None,
        ).sample
    return unpack(packed, height, width)


@lru_cache(maxsize=4)
def _noise_levels(scheduler: Any, tokens: int, device: torch.device) -> Tensor:
    """Sigma by training timestep on ``device``: copied there at each step, a GPU would be waited for."""
    return flow_objective(scheduler, tokens).sigma.to(device)


def pack(latents: Tensor) -> Tensor:
    """(B, C, h, w) to tokens of 2 x 2 latents, (B, h/2 * w/2, 4 C), as FluxPipeline packs them."""
    b, c, h, w = latents.shape
    return latents.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // 4, 4 * c)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """The inverse of ``pack``."""
    b, _, d = tokens.shape
    folded = tokens.view(b, height // 2, width // 2, d // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return folded.reshape(b, d // 4, height, width)


def positions(rows: int, columns: int, device: torch.device | None = None) -> Tensor:
    """Position of each token for the rotary embedding, (rows * columns, 3): 0, row, column."""
    grid = torch.zeros(rows, columns, 3, device=device)
    grid[..., 1], grid[..., 2] = torch.arange(rows, device=device)[:, None], torch.arange(columns, device=device)[None]
    return grid.view(-1, 3)


def set_timesteps(scheduler: Any, steps: int, tokens: int, device: torch.device) -> None:
    """Even noise levels, shifted as the scheduler's configuration says (by the number of tokens, if it says so).

    Raises:
        DataError: the scheduler is none of flow matching, or takes no noise levels.
    """
    config, name = scheduler.config, type(scheduler).__name__
    if not name.startswith("FlowMatch") or "sigmas" not in inspect.signature(scheduler.set_timesteps).parameters:
        raise DataError(
            f"{name} does not solve a rectified flow at given noise levels; "
            "set scheduler to FlowMatchEulerDiscreteScheduler"
        )
    options: dict[str, Any] = {"sigmas": np.linspace(1.0, 1 / steps, steps).tolist()}
    if config.use_dynamic_shifting:
        options["mu"] = shift_for(config, tokens)
    scheduler.set_timesteps(device=device, **options)


def left_out(steps: int, strength: float) -> int:
    """As FluxImg2ImgPipeline counts (``get_timesteps``): rounded down here, where Stable Diffusion rounds what is run.

    So it runs one step more wherever steps x strength is not whole.
    """
    return int(max(steps - min(steps * strength, steps), 0))


def noised(scheduler: Any, sources: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
    """The interpolation of source and noise (B, C, h, w) at a scheduler's timestep."""
    mixed: Tensor = scheduler.scale_noise(sources, timestep, noise)
    return mixed

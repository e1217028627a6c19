"""The training loops of diffusers' example scripts, to measure ours beside them."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from benchmarks.full_size import DEVICE, Size
from benchmarks.gpu_measures import Measured, measure
from pipeline_steps.diffusion.flux import pack, positions
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.training.optimisation import Optimisation

HOW = Optimisation(0, 1e-5, 1e-2, 0, "constant", 1.0, 0.0, 0)


def diffusers_training(step: Callable[[], Tensor], trainable: list[Tensor], size: Size, batch: int) -> Measured:
    """The loop of diffusers' example scripts: encoders run at every step."""
    optimiser = torch.optim.AdamW(trainable, lr=HOW.learning_rate, weight_decay=HOW.weight_decay)

    def steps(count: int) -> None:
        for _ in range(count):
            loss = step()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trainable, 1.0)
            optimiser.step()
            optimiser.zero_grad()
            loss.item()

    steps(3)
    return measure(batch * size.steps, lambda: steps(size.steps))


def stable_diffusion_step(c: Components, size: Size, batch: int) -> Callable[[], Tensor]:
    """One step as diffusers' train_text_to_image_lora.py takes it in bf16."""
    pixels = torch.rand(batch, 3, size.side, size.side, device=DEVICE, dtype=c.dtype) * 2 - 1
    ids = torch.randint(49000, (batch, 77), device=DEVICE)

    def step() -> Tensor:
        with torch.autocast(DEVICE.type, torch.bfloat16):
            with torch.no_grad():
                latents = c.vae.encode(pixels).latent_dist.sample() * c.vae.config.scaling_factor
                embeds = c.text_encoder(ids).last_hidden_state
            noise = torch.randn_like(latents)
            timesteps = torch.randint(1000, (batch,), device=DEVICE)
            noisy = c.scheduler.add_noise(latents, noise, timesteps)
            predicted = c.denoiser(noisy, timesteps, embeds).sample
        return F.mse_loss(predicted.float(), noise.float())

    return step


def flux_step(c: Components, embeds: Tensor, size: Size, batch: int) -> Callable[[], Tensor]:
    """One step as diffusers' train_dreambooth_lora_flux.py takes it with cached latents and embeddings."""
    side = size.side // 8
    latents = torch.randn(batch, 16, side, side, device=DEVICE, dtype=c.dtype)
    words, pooled = (e.to(DEVICE, c.dtype).expand(batch, *e.shape) for e in (embeds[1:], embeds[0, :768]))
    places = (positions(side // 2, side // 2).to(latents), torch.zeros(len(embeds) - 1, 3).to(latents))
    told = torch.ones(batch, device=DEVICE)

    def step() -> Tensor:
        noise = torch.randn_like(latents)
        sigma = torch.rand(batch, device=DEVICE).to(c.dtype)
        mixed = (1 - sigma.view(-1, 1, 1, 1)) * latents + sigma.view(-1, 1, 1, 1) * noise
        with torch.autocast(DEVICE.type, torch.bfloat16):
            predicted = c.denoiser(
                pack(mixed),
                encoder_hidden_states=words,
                pooled_projections=pooled,
                timestep=sigma,
                img_ids=places[0],
                txt_ids=places[1],
                guidance=told,
            ).sample
        return F.mse_loss(predicted.float(), pack(noise - latents).float())

    return step

"""Diffusion objectives as one law: ``target = p * noise + q * x0`` on ``x_t = alpha * x0 + sigma * noise``.

epsilon (Ho et al. 2020, eq. 14): p, q = 1, 0. v-prediction (Salimans and Ho 2022, section 4): alpha, -sigma.
Rectified flow (Liu et al. 2022, eq. 1; velocity from data to noise): 1, -1 with alpha = 1 - t, sigma = t.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Objective:
    """Coefficients by training timestep, each (T,): noise level and what the network predicts."""

    alpha: Tensor
    sigma: Tensor
    p: Tensor
    q: Tensor

    def on(self, device: torch.device) -> "Objective":
        """The same on ``device``, so that no step copies it there again."""
        return Objective(*(v.to(device) for v in (self.alpha, self.sigma, self.p, self.q)))


def diffusion_objective(alphas_cumprod: Tensor, prediction_type: str) -> Objective:
    """The objective of a variance-preserving schedule; ``prediction_type`` as in diffusers' schedulers.

    Raises:
        ValueError: the prediction type is not epsilon, v_prediction or sample.
    """
    alpha, sigma = alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()
    one, zero = torch.ones_like(alpha), torch.zeros_like(alpha)
    coefficients = {"epsilon": (one, zero), "v_prediction": (alpha, -sigma), "sample": (zero, one)}
    if prediction_type not in coefficients:
        raise ValueError(f"prediction_type {prediction_type!r} is none of {', '.join(coefficients)}")
    p, q = coefficients[prediction_type]
    return Objective(alpha, sigma, p, q)


def rectified_flow_objective(steps: int) -> Objective:
    """Rectified flow on ``steps`` equal noise levels, the first the least noisy."""
    sigma = torch.arange(1, steps + 1, dtype=torch.float32) / steps
    return Objective(1 - sigma, sigma, torch.ones(steps), -torch.ones(steps))


def noisy(o: Objective, x0: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """x_t (B, ...) of clean ``x0`` and ``noise`` of the same shape at ``timesteps`` (B,)."""
    return _at(o.alpha, timesteps, x0) * x0 + _at(o.sigma, timesteps, x0) * noise


def target(o: Objective, x0: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the network must predict, (B, ...)."""
    return _at(o.p, timesteps, x0) * noise + _at(o.q, timesteps, x0) * x0


def stratified_timesteps(batch_size: int, levels: int, rng: torch.Generator) -> Tensor:
    """Random timesteps (B,) of ``levels``, each from its own part of the schedule: the gradient has less noise."""
    shares = (torch.arange(batch_size) + torch.rand(batch_size, generator=rng)) / batch_size
    return (shares * levels).long().clamp_max(levels - 1)


def clean_from_prediction(o: Objective, x_t: Tensor, prediction: Tensor, timesteps: Tensor) -> Tensor:
    """x0 (B, ...) implied by a prediction: solves the two linear equations of the law.

    Undefined (a division by zero) where they are dependent: epsilon at alpha = 0, sample never.
    """
    alpha, sigma = _at(o.alpha, timesteps, x_t), _at(o.sigma, timesteps, x_t)
    p, q = _at(o.p, timesteps, x_t), _at(o.q, timesteps, x_t)
    return (p * x_t - sigma * prediction) / (p * alpha - sigma * q)


def min_snr_weights(o: Objective, timesteps: Tensor, gamma: float) -> Tensor:
    """Loss weights (B,) of Hang et al. 2023 (section 3.4): min(SNR, gamma) in terms of x0.

    A prediction's error is its x0's error times (p alpha - q sigma) / sigma, so the x0 weight min(SNR, gamma)
    divided by that factor squared is min(SNR, gamma) / SNR for epsilon and / (SNR + 1) for v. Not by diffusers'
    compute_snr, which needs ``alphas_cumprod`` and so knows no rectified flow; a test compares the two.
    """
    snr = (o.alpha / o.sigma) ** 2
    per_x0 = torch.minimum(snr, torch.full_like(snr, gamma))
    scale = ((o.p * o.alpha - o.q * o.sigma) / o.sigma) ** 2
    return (per_x0 / scale.clamp_min(1e-8)).to(timesteps.device)[timesteps]


def _at(values: Tensor, timesteps: Tensor, like: Tensor) -> Tensor:
    return values.to(like.device, like.dtype)[timesteps].view(-1, *[1] * (like.ndim - 1))

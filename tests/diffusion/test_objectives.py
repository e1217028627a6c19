"""Objectives: what a denoiser is taught to say, and what an image is that it says so of."""

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from hypothesis import given
from hypothesis import strategies as st

from pipeline_steps.diffusion.objectives import (
    clean_from_prediction,
    diffusion_objective,
    min_snr_weights,
    noisy,
    rectified_flow_objective,
    target,
)

SCHEDULE = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).alphas_cumprod


def _objectives():
    kinds = {k: diffusion_objective(SCHEDULE, k) for k in ("epsilon", "v_prediction", "sample")}
    return {**kinds, "flow": rectified_flow_objective(1000)}


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample", "flow"])
@given(t=st.integers(0, 990), seed=st.integers(0, 99))
def test_target_and_clean_image_are_inverse(kind, t, seed):
    o, rng = _objectives()[kind], torch.Generator().manual_seed(seed)
    x0, noise = (torch.randn(2, 3, 4, 4, generator=rng, dtype=torch.float64) for _ in range(2))
    timesteps = torch.tensor([t, min(t + 5, 990)])
    o64 = type(o)(*(v.double() for v in (o.alpha, o.sigma, o.p, o.q)))
    x_t = noisy(o64, x0, noise, timesteps)
    assert torch.allclose(clean_from_prediction(o64, x_t, target(o64, x0, noise, timesteps), timesteps), x0, atol=1e-6)


def test_objectives_agree_with_diffusers():
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    rng = torch.Generator().manual_seed(0)
    x0, noise, t = (
        torch.randn(4, 3, 2, 2, generator=rng),
        torch.randn(4, 3, 2, 2, generator=rng),
        torch.tensor([0, 9, 500, 999]),
    )
    o = diffusion_objective(scheduler.alphas_cumprod, "v_prediction")
    assert torch.allclose(noisy(o, x0, noise, t), scheduler.add_noise(x0, noise, t), atol=1e-6)
    assert torch.allclose(target(o, x0, noise, t), scheduler.get_velocity(x0, noise, t), atol=1e-6)


def test_min_snr_weights_are_the_published_ones():
    t = torch.arange(1000)
    snr = compute_snr(DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012), t)
    capped = snr.clamp(max=5)
    assert torch.allclose(min_snr_weights(_objectives()["epsilon"], t, 5), capped / snr, rtol=1e-3)
    assert torch.allclose(min_snr_weights(_objectives()["v_prediction"], t, 5), capped / (snr + 1), rtol=1e-3)

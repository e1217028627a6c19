"""Rectified flow with a Flux-shaped model in the hub's layout."""

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

from pipeline_steps.diffusion import adapters, flux
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts, prompt_ids
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.fit import Fit, adapter_loss
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.loop import Optimisation, optimise
from pipeline_steps.diffusion.objectives import noisy, target
from pipeline_steps.diffusion.preview import Preview
from pipeline_steps.diffusion.sample import Sampling, denoised, sample
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.errors import DataError

HOW = Optimisation(6, 1e-2, 0.0, 2, "cosine", 1.0, 0.9, 3)
LORA = adapters.Lora(2, 4, ("to_q", "to_k", "to_v", "to_out.0"))


def _sampling(strength=1.0):
    options = {"scheduler": "FlowMatchEulerDiscreteScheduler", "scheduler_options": {}, "num_inference_steps": 5}
    return Sampling(**options, guidance_scale=3.5, guidance_interval=(0.0, 1.0), strength=strength)


@pytest.fixture
def base(tiny_flux):
    return BaseModel("flux", str(tiny_flux), None, "float32")


@pytest.fixture
def model(base):
    return family(base), family(base).load(base)


def _images(n=3):
    return np.random.default_rng(0).integers(0, 255, size=(n, 16, 16, 3), dtype=np.uint8)


def test_packing_is_that_of_the_diffusers_pipeline():
    x = torch.randn(2, 4, 8, 6, generator=torch.Generator().manual_seed(0))
    packed = flux.pack(x)
    assert torch.equal(packed, FluxPipeline._pack_latents(x, 2, 4, 8, 6))
    assert torch.equal(flux.unpack(packed, 8, 6), x)
    theirs = FluxPipeline._prepare_latent_image_ids(1, 4, 3, torch.device("cpu"), torch.float32)
    assert torch.equal(flux.positions(4, 3), theirs)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_the_objective_is_flow_matching_at_the_shifted_levels(shift):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    o = flux.flow_objective(scheduler)
    even = torch.arange(1, 1001) / 1000
    assert torch.allclose(o.sigma, shift * even / (1 + (shift - 1) * even), atol=1e-6)
    x0, noise = (torch.randn(3, 2, 2, 2, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    t = torch.tensor([0, 500, 999])
    assert torch.equal(target(o, x0, noise, t), noise - x0)
    assert torch.allclose(noisy(o, x0, noise, t)[2], noise[2], atol=1e-6)


def test_our_sampling_agrees_with_the_diffusers_pipeline(model, tiny_flux):
    f, c = model
    pipe = FluxPipeline.from_pretrained(tiny_flux)
    pipe.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(9))
    theirs = pipe(
        "skin", height=16, width=16, num_inference_steps=5, guidance_scale=3.5, max_sequence_length=24,
        latents=FluxPipeline._pack_latents(noise, 1, 4, 8, 8), output_type="np",
    ).images  # fmt: skip
    e, empty = (f.embed(c, prompt_ids(c, [p])).detach() for p in ("skin", ""))
    ours = sample(f, c, _sampling(), (e, empty), (4, 8, 8), [9])
    assert np.abs(ours[0].astype(int) - theirs[0] * 255).max() <= 2


def test_strength_goes_from_the_source_to_noise(model):
    f, c = model
    source = f.scale(c, f.encode(c, _images(2))[0])
    e = f.embed(c, prompt_ids(c, ["skin"] * 2)).detach()
    near, far = (denoised(f, c, _sampling(s), (e, e), source, [1, 2]) for s in (0.2, 1.0))
    assert (near - source).abs().mean() < (far - source).abs().mean()


def test_a_trained_adapter_loads_in_a_plain_pipeline(model, base, tiny_flux, tmp_path):
    f, c = model
    store = ItemStore(tmp_path / "items")
    trainable = adapters.attach(c.denoiser, LORA, 0)
    latents, _ = encode_images(f, c, _images(), store)
    embeds = embed_prompts(f, c, Tokens({}), ["skin"], store)
    fit = Fit(f, c, latents, 2, 0.0)
    losses = optimise(trainable, adapter_loss(fit, ["skin"] * 3, embeds), HOW, "lora")
    assert len(losses) == HOW.steps
    adapters.save(c.denoiser, tmp_path / "adapter")
    x, t, e = torch.randn(2, 4, 8, 8), torch.tensor([10, 500]), embeds["skin"].expand(2, -1, -1)
    with torch.no_grad():
        trained = f.predict(c, x, t, e)
    fresh = f.load(base)
    with torch.no_grad():
        untrained = f.predict(fresh, x, t, e)
    adapters.load(fresh, tmp_path / "adapter")
    with torch.no_grad():
        assert torch.allclose(f.predict(fresh, x, t, e), trained, atol=1e-5)
    assert not torch.allclose(untrained, trained, atol=1e-4)
    pipe = FluxPipeline.from_pretrained(tiny_flux)
    pipe.load_lora_weights(tmp_path / "adapter")
    fresh_with_theirs = f.load(base)
    plain = type(fresh_with_theirs)(**{**vars(fresh_with_theirs), "denoiser": pipe.transformer})
    with torch.no_grad():
        assert torch.allclose(f.predict(plain, x, t, e), trained, atol=1e-5)


def test_a_guidance_distilled_model_is_told_the_scale(model):
    f, c = model
    e, empty = (f.embed(c, prompt_ids(c, [p])).detach() for p in ("skin", ""))
    x, t = torch.randn(1, 4, 8, 8), torch.tensor(500.0)
    with torch.no_grad():
        low, high = (f.guide(c, (e, empty), x, t, s) for s in (1.0, 5.0))
        assert not torch.allclose(low, high)
        assert torch.equal(high, f.guide(c, (e, e), x, t, 5.0)), "the empty prompt plays no part"


def test_training_and_sampling_mean_the_same_noise_level(model):
    f, c = model
    e = f.embed(c, prompt_ids(c, ["skin"])).detach()
    x, index = torch.randn(1, 4, 8, 8), torch.tensor([700])
    with torch.no_grad():
        by_index = f.predict(c, x, index, e)
        by_time = f.guide(c, (e, e), x, c.objective.sigma[700] * 1000, 1.0)
    assert torch.allclose(by_index, by_time, atol=1e-6)


def test_a_training_shows_samples_of_the_flow(model, tmp_path, monkeypatch):
    f, c = model
    monkeypatch.chdir(tmp_path)
    empty, words = f.embed(c, prompt_ids(c, ["", "psoriasis"]))
    Preview(f, c, [words] * 2, empty, "cell/all", (4, 8, 8)).draw(3)
    assert list((tmp_path / "runs/previews/cell").glob("*.png"))


def test_a_scheduler_of_diffusion_is_refused(model):
    f, c = model
    embeds = f.embed(c, prompt_ids(c, ["psoriasis"]))
    wrong = _sampling().model_copy(update={"scheduler": "DPMSolverMultistepScheduler"})
    with pytest.raises(DataError, match="set scheduler to FlowMatch"):
        denoised(f, c, wrong, (embeds, embeds), (4, 8, 8), [0])

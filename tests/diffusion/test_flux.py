"""Rectified flow with a Flux-shaped model in the hub's layout."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT, whole
from diffusers import FlowMatchEulerDiscreteScheduler, FluxImg2ImgPipeline, FluxPipeline
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from pipeline_steps import invert_tokens
from pipeline_steps.diffusion import adapters, flux
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts, prompt_ids
from pipeline_steps.diffusion.denoising import DenoisingTask, adapter_loss
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.latents import LatentSet, encode_images
from pipeline_steps.diffusion.objectives import noisy, target
from pipeline_steps.diffusion.preview import Preview
from pipeline_steps.diffusion.sample import Sampling, denoised, sample
from pipeline_steps.items.store import ItemStore
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import ParamsError
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import Optimisation

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
    o = flux.flow_objective(scheduler, 16)
    even = torch.arange(1, 1001) / 1000
    assert torch.allclose(o.sigma, shift * even / (1 + (shift - 1) * even), atol=1e-6)
    x0, noise = (torch.randn(3, 2, 2, 2, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    t = torch.tensor([0, 500, 999])
    assert torch.equal(target(o, x0, noise, t), noise - x0)
    assert torch.allclose(noisy(o, x0, noise, t)[2], noise[2], atol=1e-6)


@pytest.mark.parametrize("dynamic", [False, True])
def test_our_sampling_agrees_with_the_diffusers_pipeline(model, tiny_flux, dynamic):
    f, c = model
    c = replace(c, scheduler=_scheduler(dynamic))
    pipe = FluxPipeline.from_pretrained(tiny_flux, scheduler=_scheduler(dynamic))
    pipe.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(9))
    theirs = pipe(
        "skin", height=16, width=16, num_inference_steps=5, guidance_scale=3.5, max_sequence_length=24,
        latents=FluxPipeline._pack_latents(noise, 1, 4, 8, 8), output_type="np",
    ).images  # fmt: skip
    e, empty = (f.embed(c, prompt_ids(c, [p])).detach() for p in ("skin", ""))
    ours = sample(f, c, _sampling(), (e, empty), (4, 8, 8), [9])
    assert np.abs(ours[0].astype(int) - theirs[0] * 255).max() <= 2


def _scheduler(dynamic):
    """FLUX.1-dev's shift by the number of tokens, or the static one of the small model."""
    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=dynamic, shift=3.0)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(("steps", "strength"), [(5, 0.5), (4, 0.6), (10, 0.55), (7, 0.95), (5, 0.8), (5, 1.0)])
def test_our_img2img_agrees_with_the_diffusers_pipeline(model, tiny_flux, steps, strength, dynamic):
    """Also where steps x strength is not whole, and Flux runs one step more than Stable Diffusion."""
    f, c = model
    pipe = FluxImg2ImgPipeline.from_pretrained(tiny_flux, scheduler=_scheduler(dynamic))
    pipe.set_progress_bar_config(disable=True)
    source = f.scale(c, f.encode(c, _images(1))[0])
    pipe._encode_vae_image = lambda image, generator: source  # theirs draws from the encoder's posterior
    theirs = pipe(
        "skin", image=torch.zeros(1, 3, 16, 16), height=16, width=16, num_inference_steps=steps, strength=strength,
        guidance_scale=3.5, max_sequence_length=24, generator=torch.Generator().manual_seed(9), output_type="latent",
    ).images  # fmt: skip
    e, empty = (f.embed(c, prompt_ids(c, [p])).detach() for p in ("skin", ""))
    how = _sampling(strength).model_copy(update={"num_inference_steps": steps})
    ours = denoised(f, replace(c, scheduler=_scheduler(dynamic)), how, (e, empty), source, [9])
    assert torch.allclose(flux.pack(ours), theirs, atol=1e-4)


@pytest.mark.parametrize(("strength", "guidance"), [(None, 3.5), (0.55, 3.5), (None, 0.0)])
def test_a_model_that_is_not_distilled_is_guided_as_by_the_pipelines(strength, guidance):
    """The shipped one: our guidance scale is their ``true_cfg_scale`` with an empty negative prompt."""
    folder = str(ROOT / "models/base/phantom-flux")
    base = BaseModel("flux", folder, None, "float32")
    f, c = family(base), family(base).load(base)
    kind = FluxPipeline if strength is None else FluxImg2ImgPipeline
    pipe = kind.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    rng = torch.Generator().manual_seed(0)
    source = torch.randn(1, 8, 16, 16, generator=rng)
    pipe._encode_vae_image = lambda image, generator: source
    started = {} if strength is None else {"image": torch.zeros(1, 3, 64, 64), "strength": strength}
    theirs = pipe(
        prompt="red ring", negative_prompt="", true_cfg_scale=guidance, height=64, width=64, num_inference_steps=4,
        max_sequence_length=32, generator=torch.Generator().manual_seed(9), output_type="latent", **started,
    ).images  # fmt: skip
    e, empty = (f.embed(c, prompt_ids(c, [p])).detach() for p in ("red ring", ""))
    how = _sampling(strength or 1.0).model_copy(update={"num_inference_steps": 4, "guidance_scale": guidance})
    ours = denoised(f, c, how, (e, empty), (8, 16, 16) if strength is None else source, [9])
    assert torch.allclose(flux.pack(ours), theirs, atol=1e-4)


def _told(c, levels):
    """Have the denoiser of ``c`` note every noise level that it is told in training."""

    def note(_module, _args, given):
        levels.extend(given["timestep"].tolist())

    return c.denoiser.register_forward_pre_hook(note, with_kwargs=True)


@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize("dynamic", [False, True])
def test_training_draws_the_noise_levels_of_sampling_at_the_same_size(model, tmp_path, side, dynamic):
    """Under the shift that FluxPipeline takes for that many tokens; a static scheduler's levels do not change."""
    f, c = model
    c, sampled = replace(c, scheduler=_scheduler(dynamic)), _scheduler(dynamic)
    mu = {"mu": calculate_shift((side // 2) ** 2)} if dynamic else {}
    sampled.set_timesteps(sigmas=np.linspace(1.0, 0.001, 1000), **mu)
    levels: list[float] = []
    _told(c, levels)
    mean = torch.randn(3, 4, side, side, generator=torch.Generator().manual_seed(0))
    task = DenoisingTask(f, c, LatentSet(torch.stack([mean, torch.zeros_like(mean)], dim=1)), 8, 0.0)
    embeds = embed_prompts(f, c, Tokens({}), ["skin"], ItemStore(tmp_path / "items"))
    optimise(adapters.attach(c.denoiser, LORA, 0), adapter_loss(task, ["skin"] * 3, embeds), HOW, "lora")
    off = (torch.tensor(levels)[:, None] - sampled.sigmas[None]).abs()
    assert len(levels) == HOW.steps * 8
    assert off.amin(dim=1).max() < 1e-6, "a level that sampling in a thousand steps would not pass"
    drawn = off.argmin(dim=1).sort()[0] / 1000  # where in the schedule: evenly all over it
    assert (drawn - torch.linspace(0, 1, len(drawn))).abs().max() < 0.3


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
    task = DenoisingTask(f, c, latents, 2, 0.0)
    losses = optimise(trainable, adapter_loss(task, ["skin"] * 3, embeds), HOW, "lora")
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


@pytest.mark.parametrize("dynamic", [False, True])
def test_training_and_sampling_mean_the_same_noise_level(model, dynamic):
    f, c = model
    c = replace(c, scheduler=_scheduler(dynamic))
    e = f.embed(c, prompt_ids(c, ["skin"])).detach()
    x, index = torch.randn(1, 4, 8, 8), torch.tensor([700])
    with torch.no_grad():
        by_index = f.predict(c, x, index, e)
        by_time = f.guide(c, (e, e), x, f.objective(c, x).sigma[700] * 1000, 1.0)
    assert torch.allclose(by_index, by_time, atol=1e-6)


def test_a_training_shows_samples_of_the_flow(model, tmp_path, monkeypatch):
    f, c = model
    monkeypatch.chdir(tmp_path)
    empty, words = f.embed(c, prompt_ids(c, ["", "psoriasis"]))
    Preview(f, c, [words] * 2, empty, "cell/all", (4, 8, 8)).draw(3)
    assert list((tmp_path / "runs/previews/cell").glob("*.png"))


def test_a_stage_refuses_textual_inversion_before_it_loads_the_model(tmp_path, monkeypatch):
    """Also where the grid was not expanded anew after the parameters were changed."""
    monkeypatch.setattr(invert_tokens, "family", lambda base: pytest.fail(f"{base.location} would be loaded"))
    params = whole()
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    monkeypatch.chdir(tmp_path)
    given = params["inversions"]["tokens"] | {"base": "flux"}
    with pytest.raises(ParamsError, match="family flux, for which there is none"):
        invert_tokens.invert(invert_tokens.InversionParams.model_validate(given), tmp_path, tmp_path, tmp_path)


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "FlowMatchHeunDiscreteScheduler"])
def test_a_scheduler_of_diffusion_is_refused(model, name):
    f, c = model
    embeds = f.embed(c, prompt_ids(c, ["psoriasis"]))
    wrong = _sampling().model_copy(update={"scheduler": name})
    with pytest.raises(DataError, match="set scheduler to FlowMatch"):
        denoised(f, c, wrong, (embeds, embeds), (4, 8, 8), [0])

"""Objectives, the training loop, adapters, tokens and sampling, on a small model in the hub's layout."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from small_models import HOW, LORA

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import (
    Tokens,
    add_tokens,
    embed_prompts,
    load_tokens,
    prompt_ids,
    save_tokens,
)
from pipeline_steps.diffusion.denoising import DenoisingTask, adapter_loss
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.inversion import Inversion, inversion_loss, start_tokens
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.merging import merged
from pipeline_steps.diffusion.preview import Preview
from pipeline_steps.diffusion.sample import Sampling, sample
from pipeline_steps.items.store import ItemStore
from pipeline_steps.stage.errors import DataError
from pipeline_steps.training.loop import Callback, optimise


def _predict(f, c, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 4, 8, 8, generator=rng).to(c.dtype)
    with torch.no_grad():
        return f.predict(c, x, torch.tensor([10, 500]), f.embed(c, prompt_ids(c, ["an image of psoriasis", ""])))


def _images(n=3):
    return np.random.default_rng(0).integers(0, 255, size=(n, 16, 16, 3), dtype=np.uint8)


def test_a_fresh_adapter_changes_nothing_and_a_trained_one_survives_its_file(model, tiny_sd, tmp_path):
    f, c = model
    before = _predict(f, c)
    trainable = adapters.attach(c.denoiser, LORA, 0)
    assert torch.equal(_predict(f, c), before)
    latents, _ = encode_images(f, c, _images(), ItemStore(tmp_path / "items"))
    embeds = embed_prompts(f, c, Tokens({}), ["skin"], ItemStore(tmp_path / "items"))
    task = DenoisingTask(f, c, latents, 2, 0.0)
    optimise(trainable, adapter_loss(task, ["skin"] * 3, embeds), HOW, "lora")
    trained = _predict(f, c)
    assert not torch.allclose(trained, before, atol=1e-4)
    adapters.save(c.denoiser, tmp_path / "adapter")

    fresh = f.load(BaseModel("stable_diffusion", str(tiny_sd), None, "float32"))
    adapters.load(fresh, tmp_path / "adapter")
    assert torch.allclose(_predict(f, fresh), trained, atol=1e-6)
    adapters.detach(fresh.denoiser)
    assert torch.equal(_predict(f, fresh), before)

    pipe = StableDiffusionPipeline.from_pretrained(tiny_sd)
    pipe.load_lora_weights(tmp_path / "adapter")
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    ids = pipe.tokenizer(["an image of psoriasis", ""], padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        plain = pipe.unet(x, torch.tensor([10, 500]), pipe.text_encoder(ids).last_hidden_state).sample
    assert torch.allclose(plain, trained, atol=1e-5)


@pytest.mark.parametrize("vectors", [1, 2])
def test_learned_tokens_train_alone_and_load_in_plain_diffusers(model, tiny_sd, tmp_path, vectors):
    f, c = model
    how = Inversion(("psoriasis", "folliculitis"), vectors, "skin", ("an image of {token}",))
    frozen = {k: v.clone() for k, v in c.denoiser.state_dict().items()}
    tokens = start_tokens(c, how)
    start = tokens.vectors["psoriasis"][1].clone()
    latents, _ = encode_images(f, c, _images(), ItemStore(tmp_path / "items"))
    learned, loss = inversion_loss(DenoisingTask(f, c, latents, 2, 0.0), tokens, ["psoriasis"] * 3, how)
    optimise(learned, loss, HOW, "inversion")
    assert not torch.allclose(learned[0].detach(), start, atol=1e-3)
    assert torch.allclose(learned[1].detach(), start, atol=1e-6), "a condition without images must not move"
    assert all(torch.equal(v, frozen[k]) for k, v in c.denoiser.state_dict().items())

    held = zip(tokens.vectors.items(), learned, strict=True)
    save_tokens(Tokens({n: (p, v.detach()) for (n, (p, _)), v in held}), tmp_path)
    again = load_tokens(tmp_path)
    assert torch.equal(again.vectors["psoriasis"][1], learned[0].detach())
    fresh = f.load(BaseModel("stable_diffusion", str(tiny_sd), None, "float32"))
    add_tokens(fresh, again)
    ours = f.embed(fresh, prompt_ids(fresh, [f"an image of {again.name('psoriasis')}"]))

    pipe = StableDiffusionPipeline.from_pretrained(tiny_sd)
    pipe.load_textual_inversion(tmp_path / "psoriasis.safetensors")
    prompt = pipe.maybe_convert_prompt("an image of <psoriasis>", pipe.tokenizer)
    ids = pipe.tokenizer(prompt, padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.allclose(pipe.text_encoder(ids).last_hidden_state, ours, atol=1e-5)


def _sampling(**changes):
    values = {
        "scheduler": "DPMSolverMultistepScheduler",
        "scheduler_options": {},
        "num_inference_steps": 4,
        "guidance_scale": 2.0,
        "guidance_interval": (0.0, 1.0),
        "strength": 1.0,
    }
    return Sampling(**{**values, **changes})


@pytest.mark.parametrize(
    "scheduler", ["DPMSolverMultistepScheduler", "DDIMScheduler", "EulerAncestralDiscreteScheduler"]
)
def test_an_image_does_not_depend_on_its_neighbours(model, scheduler):
    f, c = model
    embeds = f.embed(c, prompt_ids(c, ["skin", "psoriasis", "a dark photo"])).detach()
    empty = f.embed(c, prompt_ids(c, [""] * 3)).detach()
    s, order = _sampling(scheduler=scheduler), [2, 0, 1]
    first = sample(f, c, s, (embeds, empty), (4, 8, 8), [5, 6, 7])
    mixed = sample(f, c, s, (embeds[order], empty), (4, 8, 8), [[5, 6, 7][i] for i in order])
    assert np.abs(first[order].astype(int) - mixed.astype(int)).max() <= 1
    assert (first[0] != first[1]).any()


def test_strength_goes_from_the_source_to_noise(model):
    f, c = model
    images = _images(2)
    mean, _ = f.encode(c, images)
    source = f.scale(c, mean)
    e = f.embed(c, prompt_ids(c, ["skin"] * 2)).detach()
    near, far = (
        sample(f, c, _sampling(num_inference_steps=50, strength=s, guidance_scale=1.0), (e, e), source, [1, 2])
        for s in (0.02, 0.9)
    )
    rebuilt = f.decode(c, source).astype(int)
    assert np.abs(near - rebuilt).mean() < np.abs(far - rebuilt).mean()
    with pytest.raises(DataError, match="runs none"):
        sample(f, c, _sampling(strength=0.1), (e, e), source, [1, 2])


def test_our_img2img_agrees_with_the_diffusers_pipeline(model, tiny_sd):
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline

    f, c = model
    rng = torch.Generator().manual_seed(0)
    source, noise = (
        torch.randn(1, 4, 8, 8, generator=rng),
        torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(9)),
    )
    pipe = StableDiffusionImg2ImgPipeline.from_pretrained(tiny_sd, safety_checker=None)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    pipe.prepare_latents = lambda _i, t, *_, **__: pipe.scheduler.add_noise(source, noise, t)
    theirs = pipe(
        "skin", torch.zeros(1, 3, 16, 16), strength=0.5, num_inference_steps=10, guidance_scale=2.0, output_type="np"
    )
    e, empty = (f.embed(c, prompt_ids(c, [p])).detach() for p in ("skin", ""))
    s = _sampling(scheduler="DDIMScheduler", num_inference_steps=10, strength=0.5)
    ours = sample(f, c, s, (e, empty), source, [9])
    assert np.abs(ours[0].astype(int) - theirs.images[0] * 255).max() <= 2


def test_errors_name_the_parameter(tiny_sd):
    gone = BaseModel("stable_diffusion", "models/no-such", None, "float32")
    with pytest.raises(DataError, match=r"base_models\.<name>\.location"):
        family(gone).load(gone)
    with pytest.raises(DataError, match="family 'dall-e'"):
        family(BaseModel("dall-e", str(tiny_sd), None, "float32"))


def test_long_prompts_are_refused_not_cut(model):
    _, c = model
    with pytest.raises(DataError, match="holds 77"):
        prompt_ids(c, ["psoriasis " * 100])


def test_previews_change_no_bit_of_the_training(tiny_sd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = BaseModel("stable_diffusion", str(tiny_sd), None, "float32")

    def trained(after):
        f, c = family(base), family(base).load(base)
        trainable = adapters.attach(c.denoiser, LORA, 0)
        latents, _ = encode_images(f, c, _images(), ItemStore(tmp_path / "items"))
        embeds = embed_prompts(f, c, Tokens({}), ["", "skin"], ItemStore(tmp_path / "items"))
        preview = Preview(f, c, [embeds["skin"]] * 2, embeds[""], "cell/all", (4, 8, 8))
        loss = adapter_loss(DenoisingTask(f, c, latents, 2, 0.0), ["skin"] * 3, embeds)
        optimise(trainable, loss, HOW, "lora", callbacks=[Callback(1, preview.draw)] if after else [])
        return trainable

    for a, b in zip(trained(after=False), trained(after=True), strict=True):
        assert torch.equal(a, b)
    pictures = sorted((tmp_path / "runs/previews/cell").glob("*.png"))
    assert len(pictures) == HOW.steps
    assert pictures[0].read_bytes() != pictures[-1].read_bytes()


@pytest.mark.parametrize(("dtype", "merges"), [("float32", True), ("bfloat16", False)])
def test_merging_an_adapter_says_the_same_and_leaves_no_trace(tiny_sd, dtype, merges):
    base = BaseModel("stable_diffusion", str(tiny_sd), None, dtype)
    f = family(base)
    c = f.load(base)
    plain = _predict(f, c)
    for weight in adapters.attach(c.denoiser, LORA, 0):
        torch.nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(1))
    base_weights = {k: v.clone() for k, v in c.denoiser.state_dict().items()}
    apart = _predict(f, c)
    assert not torch.allclose(apart, plain, atol=1e-2)
    with merged(c.denoiser):
        inside = _predict(f, c)
        changed = [k for k, v in c.denoiser.state_dict().items() if not torch.equal(v, base_weights[k])]
    assert torch.allclose(inside, apart, atol=1e-4)
    assert bool(changed) == merges
    assert all(torch.equal(v, base_weights[k]) for k, v in c.denoiser.state_dict().items())
    assert torch.equal(_predict(f, c), apart)


def test_a_16_bit_base_trains_a_32_bit_adapter(tiny_sd):
    base = BaseModel("stable_diffusion", str(tiny_sd), None, "bfloat16")
    f = family(base)
    c = f.load(base)
    trainable = adapters.attach(c.denoiser, adapters.Lora(2, 2, ("to_q", "conv1")), 0)
    assert {p.dtype for p in trainable} == {torch.float32}
    embeds = f.embed(c, prompt_ids(c, ["skin"]))
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).to(c.dtype)
    predicted = f.predict(c, x, torch.tensor([500]), embeds)
    assert predicted.dtype == torch.bfloat16
    predicted.float().square().mean().backward()
    assert sum(float(p.grad.abs().sum()) for p in trainable) > 0
    plain = family(base).load(BaseModel("stable_diffusion", str(tiny_sd), None, "float32"))
    exact = f.predict(plain, x.float(), torch.tensor([500]), embeds.float())
    assert torch.allclose(predicted.float(), exact, atol=0.05 * float(exact.abs().max()))

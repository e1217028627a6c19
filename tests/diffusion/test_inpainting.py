"""Inpainting, and images with masks, on small models in the hub's layout."""

import math

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline
from PIL import Image
from small_models import TERMS

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts, prompt_ids
from pipeline_steps.diffusion.denoising import DenoisingTask, Prior, adapter_loss, denoising_loss, draw_noised
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.latents import LatentSet, encode_images
from pipeline_steps.diffusion.mask_channels import (
    as_images,
    denormalise,
    learn_scale,
    load_convolutions,
    mask_loss,
    normalised,
    overlap_loss,
    widen,
)
from pipeline_steps.diffusion.objectives import noisy, target
from pipeline_steps.diffusion.regions import check_base, conditioning, for_inpainting, training_conditions
from pipeline_steps.diffusion.sample import Sampling, denoised, new_scheduler, sample
from pipeline_steps.items.store import ItemStore
from pipeline_steps.pixels.masks import paste
from pipeline_steps.stage.errors import DataError
from pipeline_steps.train_inpaint import ellipse
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import Optimisation

HOW = Optimisation(6, 1e-2, 0.0, 2, "cosine", 1.0, 0.9, 3)
LORA = adapters.Lora(2, 2, ("to_q", "conv1"))


def _sampling(strength=1.0):
    options = {"scheduler": "DDIMScheduler", "scheduler_options": {}, "num_inference_steps": 10}
    return Sampling(**options, guidance_scale=2.0, guidance_interval=(0.0, 1.0), strength=strength)


def _images(n=3):
    return np.random.default_rng(0).integers(0, 255, size=(n, 16, 16, 3), dtype=np.uint8)


def _masks(n=3):
    return np.stack([ellipse(np.random.default_rng(i), 16, (0.2, 0.4)) for i in range(n)])


def _embeds(f, c, words):
    return f.embed(c, prompt_ids(c, words)).detach()


def test_a_widened_denoiser_does_at_first_what_it_did(model):
    f, c = model
    x, t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 500])
    e = _embeds(f, c, ["skin", ""])
    with torch.no_grad():
        before = f.predict(c, x, t, e)
        trainable = widen(c.denoiser)
        both = f.predict(c, torch.cat([x, torch.randn_like(x)], dim=1), t, e)
    assert torch.allclose(both[:, :4], before, atol=1e-6)
    assert (both[:, 4:] == 0).all()
    assert widen(c.denoiser)[0] is trainable[0], "widening twice would start anew"


def test_an_inpainting_denoiser_does_at_first_what_it_did(model):
    f, c = model
    with pytest.raises(DataError, match="takes 4 channels, one for inpainting 9"):
        check_base(c)
    x, t = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 500, 900])
    e = _embeds(f, c, ["skin", "", "psoriasis"])
    with torch.no_grad():
        before = f.predict(c, x, t, e)
        for_inpainting(c.denoiser)
        conditioning_latents = conditioning(f, c, _images(), _masks())
        assert torch.allclose(f.predict(c, torch.cat([x, conditioning_latents], dim=1), t, e), before, atol=1e-6)
    check_base(c)


SDE = {"algorithm_type": "sde-dpmsolver++"}


def _inpainter(f, c, scheduler):
    """Diffusers' pipeline of the same parts; theirs draws from the encoder's posterior, this one takes its mean."""
    pipe = StableDiffusionInpaintPipeline(
        c.vae, c.text_encoder, c.tokenizer, c.denoiser, scheduler, None, None, requires_safety_checker=False
    )
    pipe.scheduler = scheduler  # theirs changes what it is given
    pipe.set_progress_bar_config(disable=True)
    pipe._encode_vae_image = lambda image, generator: f.scale(c, c.vae.encode(image).latent_dist.mean)
    return pipe


@pytest.mark.parametrize("strength", [0.55, 0.95, 0.97, 1.0])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("DDIMScheduler", {}),
        ("DPMSolverMultistepScheduler", SDE),  # noise at each step
        ("EulerAncestralDiscreteScheduler", {}),  # the same, and inputs are scaled
        ("HeunDiscreteScheduler", {}),  # two predictions a step
    ],
)
def test_our_inpainting_agrees_with_the_diffusers_pipeline(model, name, options, strength):
    """From the same stream of noise; at strength 1 nothing of the source is in the start, at any other strength it is.

    The small model's schedule does not end at zero signal, as Stable Diffusion's does not.
    """
    f, c = model
    for_inpainting(c.denoiser)
    with torch.no_grad():
        c.denoiser.conv_in.weight.normal_(generator=torch.Generator().manual_seed(1)).mul_(0.1)
    how = _sampling(strength).model_copy(update={"scheduler": name, "scheduler_options": options})
    image, mask = _images(1), _masks(1)
    theirs = _inpainter(f, c, new_scheduler(c, how))(
        "skin", Image.fromarray(image[0]), Image.fromarray(mask[0].astype(np.uint8) * 255),
        strength=strength, num_inference_steps=10, guidance_scale=2.0, output_type="latent", height=16, width=16,
        generator=torch.Generator().manual_seed(9),
    )  # fmt: skip
    e, empty = _embeds(f, c, ["skin"]), _embeds(f, c, [""])
    source, conditioning_latents = f.scale(c, f.encode(c, image)[0]), conditioning(f, c, image, mask)
    ours = denoised(f, c, how, (e, empty), source, [9], conditioning_latents=conditioning_latents)
    assert torch.allclose(ours, theirs.images, atol=0.01)  # grey is 127 here, 127.5 there
    other = denoised(f, c, how, (e, empty), 2 * source, [9], conditioning_latents=conditioning_latents)
    assert torch.equal(ours, other) == (strength == 1)


@pytest.mark.parametrize("guidance", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("strength", [0.55, 1.0])
def test_our_img2img_noises_the_source_at_any_strength_as_the_diffusers_pipeline(model, strength, guidance):
    """Also at strength 1, where inpainting starts from noise alone; a guidance scale of 1 or less is none."""
    f, c = model
    how = _sampling(strength).model_copy(
        update={"scheduler": "DPMSolverMultistepScheduler", "scheduler_options": SDE, "guidance_scale": guidance}
    )
    pipe = StableDiffusionImg2ImgPipeline(
        c.vae, c.text_encoder, c.tokenizer, c.denoiser, new_scheduler(c, how), None, None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipe.scheduler = new_scheduler(c, how)
    pipe.set_progress_bar_config(disable=True)
    source = f.scale(c, f.encode(c, _images(1))[0])
    theirs = pipe(
        "skin", source, strength=strength, num_inference_steps=10, guidance_scale=guidance, output_type="latent",
        generator=torch.Generator().manual_seed(9),
    )  # fmt: skip
    both = _embeds(f, c, ["skin"]), _embeds(f, c, [""])
    ours = denoised(f, c, how, both, source, [9])
    assert torch.allclose(ours, theirs.images, atol=1e-4)
    assert not torch.allclose(ours, denoised(f, c, how, both, (4, 8, 8), [9]), atol=1e-2)


def test_what_is_kept_keeps_its_bits_and_the_rest_is_new():
    images, mask = _images(), _masks()
    made = 255 - images
    mixed = paste(images, made, ~mask, width=1.0)
    assert (mixed[mask] == images[mask]).all()
    far = np.stack([~m for m in mask])
    assert (mixed[far] != images[far]).any(axis=-1).mean() > 0.5
    assert (paste(images, made, ~mask, width=0.0)[~mask] == made[~mask]).all()


def test_where_both_parts_are_painted_nothing_of_the_source_stays():
    mask = _masks()
    source, dark = np.full_like(_images(), 255), np.zeros_like(_images())
    for feather in (0.0, 1.0, 3.0):
        lesion = paste(source, dark, mask, feather, edge="outside")
        assert (paste(lesion, dark, ~mask, feather, edge="outside") == 0).all()
    rim = paste(paste(source, dark, mask, width=1.0), dark, ~mask, width=1.0)
    assert rim.any(), "an edge that is soft inside would leave a pale rim"


def test_regions_are_encoded_once(model, tmp_path):
    f, c = model
    for_inpainting(c.denoiser)
    store = ItemStore(tmp_path)
    first = training_conditions(f, c, _images(), _masks(), store)
    assert first.shape == (3, 2, 5, 8, 8)
    inside, outside = first[:, 0, 0], first[:, 1, 0]
    assert torch.equal(inside + outside, torch.ones_like(inside))
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    again = training_conditions(f, c, _images(), _masks(), store)
    assert torch.equal(first, again)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == files


def _pairs(f, c, store):
    image, grey = (encode_images(f, c, i, store)[0] for i in (_images(), as_images(_masks())))
    both = LatentSet(torch.cat([image.mean, grey.mean], dim=1), torch.cat([image.std, grey.std], dim=1))
    return DenoisingTask(f, c, both, 2, 0.0, masks=torch.from_numpy(_masks().astype(np.float32)), mask_terms=TERMS)


def test_image_and_mask_are_learned_saved_and_loaded(model, tiny_sd, tmp_path):
    f, c = model
    store = ItemStore(tmp_path / "items")
    trainable = [*widen(c.denoiser)]
    trainable = [*adapters.attach(c.denoiser, LORA, 0), *(w.requires_grad_() for w in trainable)]
    embeds = embed_prompts(f, c, Tokens({}), ["skin"], store)
    optimise(trainable, adapter_loss(_pairs(f, c, store), ["skin"] * 3, embeds), HOW, "pairs")
    e = _embeds(f, c, ["skin"])
    made = denoised(f, c, _sampling(), (e, e), (8, 8, 8), [1])
    assert made.shape == (1, 8, 8, 8)
    adapters.save(c.denoiser, tmp_path / "adapter")
    fresh = f.load(BaseModel("stable_diffusion", str(tiny_sd), None, "float32"))
    adapters.load(fresh, tmp_path / "adapter")
    assert torch.allclose(denoised(f, fresh, _sampling(), (e, e), (8, 8, 8), [1]), made, atol=1e-5)
    assert sample(f, fresh, _sampling(), (e, e), (8, 8, 8), [1]).shape == (1, 16, 16, 3)


def test_the_mask_half_is_noise_like_and_comes_back(model, tmp_path):
    """Masks' latents, whose mean is far from 0, are seen with mean 0 and deviation 1; files and loading keep that."""
    f, c = model
    widen(c.denoiser)
    latents = 3 * f.scale(c, f.encode(c, as_images(_masks()))[0]) + 5
    learn_scale(c.denoiser, latents)
    seen = normalised(c.denoiser, latents)
    assert torch.allclose(seen.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5)
    assert torch.allclose(seen.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-5)
    assert torch.allclose(denormalise(c.denoiser, seen), latents, atol=1e-4)
    adapters.save(c.denoiser, tmp_path)
    scale = c.denoiser.mask_scale
    c.denoiser.mask_scale = (torch.zeros(1), torch.ones(1))
    load_convolutions(c.denoiser, tmp_path)
    assert all(torch.equal(one, other) for one, other in zip(scale, c.denoiser.mask_scale, strict=True))


def test_the_loss_sees_normalised_masks(model, tmp_path):
    f, c = model
    widen(c.denoiser)
    task, e = _pairs(f, c, ItemStore(tmp_path)), _embeds(f, c, ["skin"] * 3)

    def loss():
        return float(denoising_loss(task, draw_noised(task, torch.arange(3), torch.Generator().manual_seed(4)), e))

    plain = loss()
    learn_scale(c.denoiser, f.scale(c, task.latents.mean).chunk(2, dim=1)[1])
    assert loss() != pytest.approx(plain, rel=1e-3)


def test_every_weight_can_be_trained_saved_and_loaded(model, tiny_sd, tmp_path):
    f, c = model
    store = ItemStore(tmp_path / "items")
    before = {k: v.clone() for k, v in c.denoiser.state_dict().items()}
    latents, _ = encode_images(f, c, _images(), store)
    embeds = embed_prompts(f, c, Tokens({}), ["skin"], store)
    optimise(
        adapters.unfreeze(c.denoiser),
        adapter_loss(DenoisingTask(f, c, latents, 2, 0.0), ["skin"] * 3, embeds),
        HOW,
        "full",
    )
    assert all(not torch.equal(v, before[k]) for k, v in c.denoiser.state_dict().items() if v.ndim > 1)
    adapters.save(c.denoiser, tmp_path / "whole")
    fresh = f.load(BaseModel("stable_diffusion", str(tiny_sd), None, "float32"))
    adapters.load(fresh, tmp_path / "whole")
    assert all(torch.equal(v, fresh.denoiser.state_dict()[k]) for k, v in c.denoiser.state_dict().items())
    assert adapters.find(tmp_path / "whole") == {"": tmp_path / "whole"}


def _overlap(decoded, truth):
    """The loss of one mask of 2 x 2 pixels, and its gradient in each decoded value (3, 2, 2)."""
    decoded = decoded.clone().requires_grad_()
    loss = overlap_loss(decoded[None], truth[None])
    loss.sum().backward()
    return float(loss.detach()), decoded.grad


TRUTH = torch.tensor([[1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize("value", [-30.0, -3.0, -1.0, -0.2, 0.0, 0.2, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_a_wrong_pixel_is_drawn_to_the_truth_from_any_value_and_a_right_one_is_left(value, truth):
    """One pixel at any value, or one of its channels, the others right: the gradient points at the truth."""
    wanted, mask = 2 * truth - 1, TRUTH.clone()
    mask[0, 0] = truth
    for channels in (slice(None), slice(1, 2)):
        decoded = (2 * mask - 1).expand(3, 2, 2).clone()
        decoded[channels, 0, 0] = value
        _, gradient = _overlap(decoded, mask)
        towards = -wanted * gradient[channels, 0, 0]  # descent goes against the gradient
        assert (towards >= 0).all(), "pushed back into error"
        if value * wanted < 1:
            assert (towards > 1e-3).all(), "a wrong value has no gradient"
        if value * wanted <= 0:
            assert (towards > 0.02).all(), "a wrong value has hardly any gradient"
        if value * wanted >= 3:
            assert (towards < 1e-4).all(), "a right value is driven on and on"


def test_overlap_is_least_where_masks_agree_and_confident():
    decoded = 2 * TRUTH.expand(3, 2, 2) - 1
    losses = [_overlap(scale * decoded, TRUTH)[0] for scale in (-30, -3, -1, -0.2, 0, 0.2, 1, 3)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[-2] < 0.02
    assert losses[2] > 1


def test_overlap_of_a_case_computed_by_hand():
    """White and black are logits of +-ln 99: probabilities of 0.99 and 0.01; grey is 0.5."""
    decoded = torch.tensor([[1.0, 0.0], [-1.0, -1.0]]).expand(3, 2, 2)
    bce = -(math.log(0.99) + math.log(0.5) + math.log(0.99) + math.log(0.01)) / 4
    both, sizes = 0.99 + 0.01, (0.99**2 + 0.5**2 + 0.01**2 + 0.01**2) + 2
    assert _overlap(decoded, TRUTH)[0] == pytest.approx(bce + 1 - (2 * both + 1) / (sizes + 1), rel=1e-5)


def test_the_mask_terms_act_at_low_noise_alone(model):
    f, c = model
    widen(c.denoiser)
    truth = torch.from_numpy(_masks().astype(np.float32))
    x0 = f.scale(c, f.encode(c, as_images(_masks()))[0])
    noise, t = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 20, 990])
    o = f.objective(c, x0)
    wanted = target(o, x0, noise, t)
    parts = (noisy(o, x0, noise, t), torch.zeros_like(wanted), wanted, t)
    plain = mask_loss(TERMS.model_copy(update={"overlap": 0.0}), (f, c), truth, parts)
    low = TERMS.model_copy(update={"below_sigma": float(o.sigma[100])})
    added = mask_loss(low, (f, c), truth, parts) - plain
    assert (added[:2] > 0).all()
    assert added[2] == 0


def test_errors_within_lesions_count_as_much_as_is_said(model, tmp_path):
    f, c = model
    latents, _ = encode_images(f, c, _images(), ItemStore(tmp_path))
    masks = torch.from_numpy(_masks().astype(np.float32))
    e, rows = _embeds(f, c, ["skin"] * 3), torch.arange(3)

    def loss(**changes):
        task = DenoisingTask(f, c, latents, 3, 0.0, **changes)
        return float(denoising_loss(task, draw_noised(task, rows, torch.Generator().manual_seed(4)), e))

    assert loss(masks=masks, lesion_weight=1.0) == loss()
    assert loss(masks=torch.ones_like(masks), lesion_weight=7.0) == pytest.approx(loss(), rel=1e-5)
    assert loss(masks=masks, lesion_weight=7.0) != pytest.approx(loss(), rel=1e-4)


def test_the_prior_adds_its_share(model, tmp_path):
    f, c = model
    latents, _ = encode_images(f, c, _images(), ItemStore(tmp_path))
    task, e = DenoisingTask(f, c, latents, 2, 0.0), _embeds(f, c, ["skin"])[0]

    def loss(weight):
        whole = adapter_loss(task, ["skin"] * 3, {"skin": e}, None if weight is None else Prior(task, e, weight))
        return float(whole.loss(whole.draw(torch.Generator().manual_seed(4))))

    alone = loss(None)
    assert loss(0.0) == alone
    assert loss(2.0) - alone == pytest.approx(2 * (loss(1.0) - alone), rel=1e-4)

"""Inpainting, and images with masks, on small models in the hub's layout."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline
from masked_images import HOW, ddim, embeds_of, small_images, small_masks
from PIL import Image

from pipeline_steps.diffusion import adapters, regions
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts
from pipeline_steps.diffusion.denoising import DenoisingTask, Prior, adapter_loss
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.regions import check_base, conditioning, for_inpainting, training_conditions
from pipeline_steps.diffusion.sample import denoised, new_scheduler
from pipeline_steps.items.index import index_of
from pipeline_steps.items.store import ItemStore
from pipeline_steps.pixels.masks import paste
from pipeline_steps.stage.errors import DataError
from pipeline_steps.training.loop import optimise


def test_an_inpainting_denoiser_does_at_first_what_it_did(model):
    f, c = model
    with pytest.raises(DataError, match="takes 4 channels, one for inpainting 9"):
        check_base(c)
    x, t = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 500, 900])
    e = embeds_of(f, c, ["skin", "", "psoriasis"])
    with torch.no_grad():
        before = f.predict(c, x, t, e)
        for_inpainting(c.denoiser)
        conditioning_latents = conditioning(f, c, small_images(), small_masks())
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


SCHEDULERS = (
    ("DDIMScheduler", {}),
    ("DPMSolverMultistepScheduler", SDE),  # noise at each step
    ("EulerAncestralDiscreteScheduler", {}),  # the same, and inputs are scaled
    ("HeunDiscreteScheduler", {}),  # two predictions a step
)
# Every strength with one scheduler, every scheduler where nothing of the source is in the start and where something is.
SOME = [
    (*SCHEDULERS[0], 0.55),
    (*SCHEDULERS[0], 0.97),
    *((*s, strength) for s in SCHEDULERS for strength in (0.95, 1.0)),
]
REST = [(*s, strength) for s in SCHEDULERS[1:] for strength in (0.55, 0.97)]


@pytest.mark.parametrize(
    ("name", "options", "strength"), [*SOME, *(pytest.param(*case, marks=pytest.mark.slow) for case in REST)]
)
def test_our_inpainting_agrees_with_the_diffusers_pipeline(model, name, options, strength):
    """From the same stream of noise; at strength 1 nothing of the source is in the start, at any other strength it is.

    The small model's schedule does not end at zero signal, as Stable Diffusion's does not.
    """
    f, c = model
    for_inpainting(c.denoiser)
    with torch.no_grad():
        c.denoiser.conv_in.weight.normal_(generator=torch.Generator().manual_seed(1)).mul_(0.1)
    how = ddim(strength).model_copy(update={"scheduler": name, "scheduler_options": options})
    image, mask = small_images(1), small_masks(1)
    theirs = _inpainter(f, c, new_scheduler(c, how))(
        "skin", Image.fromarray(image[0]), Image.fromarray(mask[0].astype(np.uint8) * 255),
        strength=strength, num_inference_steps=10, guidance_scale=2.0, output_type="latent", height=16, width=16,
        generator=torch.Generator().manual_seed(9),
    )  # fmt: skip
    e, empty = embeds_of(f, c, ["skin"]), embeds_of(f, c, [""])
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
    how = ddim(strength).model_copy(
        update={"scheduler": "DPMSolverMultistepScheduler", "scheduler_options": SDE, "guidance_scale": guidance}
    )
    pipe = StableDiffusionImg2ImgPipeline(
        c.vae, c.text_encoder, c.tokenizer, c.denoiser, new_scheduler(c, how), None, None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipe.scheduler = new_scheduler(c, how)
    pipe.set_progress_bar_config(disable=True)
    source = f.scale(c, f.encode(c, small_images(1))[0])
    theirs = pipe(
        "skin", source, strength=strength, num_inference_steps=10, guidance_scale=guidance, output_type="latent",
        generator=torch.Generator().manual_seed(9),
    )  # fmt: skip
    both = embeds_of(f, c, ["skin"]), embeds_of(f, c, [""])
    ours = denoised(f, c, how, both, source, [9])
    assert torch.allclose(ours, theirs.images, atol=1e-4)
    assert not torch.allclose(ours, denoised(f, c, how, both, (4, 8, 8), [9]), atol=1e-2)


def test_what_is_kept_keeps_its_bits_and_the_rest_is_new():
    images, mask = small_images(), small_masks()
    made = 255 - images
    mixed = paste(images, made, ~mask, width=1.0)
    assert (mixed[mask] == images[mask]).all()
    far = np.stack([~m for m in mask])
    assert (mixed[far] != images[far]).any(axis=-1).mean() > 0.5
    assert (paste(images, made, ~mask, width=0.0)[~mask] == made[~mask]).all()


def test_where_both_parts_are_painted_nothing_of_the_source_stays():
    mask = small_masks()
    source, dark = np.full_like(small_images(), 255), np.zeros_like(small_images())
    for feather in (0.0, 1.0, 3.0):
        lesion = paste(source, dark, mask, feather, edge="outside")
        assert (paste(lesion, dark, ~mask, feather, edge="outside") == 0).all()
    rim = paste(paste(source, dark, mask, width=1.0), dark, ~mask, width=1.0)
    assert rim.any(), "an edge that is soft inside would leave a pale rim"


def test_regions_are_encoded_once(model, tmp_path, monkeypatch):
    f, c = model
    for_inpainting(c.denoiser)
    store = ItemStore(tmp_path)
    everything = torch.arange(3)
    first = training_conditions(f, c, small_images(), small_masks(), store)[everything]
    assert first.shape == (3, 2, 5, 8, 8)
    inside, outside = first[:, 0, 0], first[:, 1, 0]
    assert torch.equal(inside + outside, torch.ones_like(inside))
    size = index_of(tmp_path).size()
    monkeypatch.setattr(regions, "conditioning", None)
    assert torch.equal(first, training_conditions(f, c, small_images(), small_masks(), store)[everything])
    assert index_of(tmp_path).size() == size


def test_every_weight_can_be_trained_saved_and_loaded(model, tiny_sd, tmp_path):
    f, c = model
    store = ItemStore(tmp_path / "items")
    before = {k: v.clone() for k, v in c.denoiser.state_dict().items()}
    latents, _ = encode_images(f, c, small_images(), store)
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


def test_the_prior_adds_its_share(model, tmp_path):
    f, c = model
    latents, _ = encode_images(f, c, small_images(), ItemStore(tmp_path))
    task, e = DenoisingTask(f, c, latents, 2, 0.0), embeds_of(f, c, ["skin"])[0]

    def loss(weight):
        whole = adapter_loss(task, ["skin"] * 3, {"skin": e}, None if weight is None else Prior(task, e, weight))
        return float(whole.loss(whole.draw(torch.Generator().manual_seed(4))))

    alone = loss(None)
    assert loss(0.0) == alone
    assert loss(2.0) - alone == pytest.approx(2 * (loss(1.0) - alone), rel=1e-4)

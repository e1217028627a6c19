"""Images denoised together with their masks, and losses that look at masks."""

import math

import numpy as np
import pytest
import torch
from masked_images import HOW, ddim, embeds_of, small_images, small_masks
from small_models import TERMS

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts
from pipeline_steps.diffusion.denoising import DenoisingTask, adapter_loss, denoising_loss, draw_noised
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.latents import LatentSet, encode_images
from pipeline_steps.diffusion.mask_channels import (
    MaskImages,
    denormalise,
    learn_scale,
    load_convolutions,
    mask_loss,
    normalised,
    overlap_loss,
    widen,
)
from pipeline_steps.diffusion.objectives import noisy, target
from pipeline_steps.diffusion.sample import denoised, sample
from pipeline_steps.items.store import ItemStore
from pipeline_steps.training.loop import optimise

LORA = adapters.Lora(2, 2, ("to_q", "conv1"))


def test_a_widened_denoiser_does_at_first_what_it_did(model):
    f, c = model
    x, t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 500])
    e = embeds_of(f, c, ["skin", ""])
    with torch.no_grad():
        before = f.predict(c, x, t, e)
        trainable = widen(c.denoiser)
        both = f.predict(c, torch.cat([x, torch.randn_like(x)], dim=1), t, e)
    assert torch.allclose(both[:, :4], before, atol=1e-6)
    assert (both[:, 4:] == 0).all()
    assert widen(c.denoiser)[0] is trainable[0], "widening twice would start anew"


def _pairs(f, c, store):
    image, grey = (encode_images(f, c, i, store)[0] for i in (small_images(), MaskImages(small_masks())))
    both = LatentSet(torch.cat([image.rows[torch.arange(3)], grey.rows[torch.arange(3)]], dim=2))
    return DenoisingTask(f, c, both, 2, 0.0, masks=small_masks(), mask_terms=TERMS)


def test_image_and_mask_are_learned_saved_and_loaded(model, tiny_sd, tmp_path):
    f, c = model
    store = ItemStore(tmp_path / "items")
    trainable = [*widen(c.denoiser)]
    trainable = [*adapters.attach(c.denoiser, LORA, 0), *(w.requires_grad_() for w in trainable)]
    embeds = embed_prompts(f, c, Tokens({}), ["skin"], store)
    optimise(trainable, adapter_loss(_pairs(f, c, store), ["skin"] * 3, embeds), HOW, "pairs")
    e = embeds_of(f, c, ["skin"])
    made = denoised(f, c, ddim(), (e, e), (8, 8, 8), [1])
    assert made.shape == (1, 8, 8, 8)
    adapters.save(c.denoiser, tmp_path / "adapter")
    fresh = f.load(BaseModel("stable_diffusion", str(tiny_sd), None, "float32"))
    adapters.load(fresh, tmp_path / "adapter")
    assert torch.allclose(denoised(f, fresh, ddim(), (e, e), (8, 8, 8), [1]), made, atol=1e-5)
    assert sample(f, fresh, ddim(), (e, e), (8, 8, 8), [1]).shape == (1, 16, 16, 3)


def test_the_mask_half_is_noise_like_and_comes_back(model, tmp_path):
    """Masks' latents, whose mean is far from 0, are seen with mean 0 and deviation 1; files and loading keep that."""
    f, c = model
    widen(c.denoiser)
    latents = 3 * f.scale(c, f.encode(c, MaskImages(small_masks())[:])[0]) + 5
    learn_scale(c.denoiser, latents.split(2))
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
    task, e = _pairs(f, c, ItemStore(tmp_path)), embeds_of(f, c, ["skin"] * 3)

    def loss():
        return float(denoising_loss(task, draw_noised(task, torch.arange(3), torch.Generator().manual_seed(4)), e))

    plain = loss()
    learn_scale(c.denoiser, [f.scale(c, task.latents.mean(torch.arange(3))).chunk(2, dim=1)[1]])
    assert loss() != pytest.approx(plain, rel=1e-3)


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
    truth = torch.from_numpy(small_masks().astype(np.float32))
    x0 = f.scale(c, f.encode(c, MaskImages(small_masks())[:])[0])
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
    latents, _ = encode_images(f, c, small_images(), ItemStore(tmp_path))
    masks = small_masks()
    e, rows = embeds_of(f, c, ["skin"] * 3), torch.arange(3)

    def loss(**changes):
        task = DenoisingTask(f, c, latents, 3, 0.0, **changes)
        return float(denoising_loss(task, draw_noised(task, rows, torch.Generator().manual_seed(4)), e))

    assert loss(masks=masks, lesion_weight=1.0) == loss()
    assert loss(masks=np.ones_like(masks), lesion_weight=7.0) == pytest.approx(loss(), rel=1e-5)
    assert loss(masks=masks, lesion_weight=7.0) != pytest.approx(loss(), rel=1e-4)

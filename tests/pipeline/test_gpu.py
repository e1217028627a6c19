"""On a GPU: the same results up to rounding, and what happens when its memory ends."""

import logging

import numpy as np
import pytest
import torch
from small_models import supervision

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.denoising import DenoisingTask, adapter_loss
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.latents import encode_images
from pipeline_steps.diffusion.sample import Sampling, sample
from pipeline_steps.items.store import ItemStore
from pipeline_steps.stage import device
from pipeline_steps.training.batches import BatchLoss
from pipeline_steps.training.loop import optimise
from pipeline_steps.training.optimisation import Optimisation
from pipeline_steps.vision.arms import ArmParams
from pipeline_steps.vision.classification import fit_classifier, predict
from pipeline_steps.vision.networks import new_network
from pipeline_steps.vision.segmentation import fit_segmenter, new_segmenter, segment
from pipeline_steps.vision.views import IMAGENET, Labelled, augment, pixels

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(),
    reason="no CUDA GPU; run './run pytest tests/test_gpu.py' where there is one",
)

HOW = Optimisation(4, 1e-3, 0.01, 0, "constant", 1.0, 0.0, 0)
SUPERVISION = supervision(updates=4, batch_size=8, learning_rate=1e-4, validate_every=2, rotation_degrees=15.0, seed=0)


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """32-bit products in 32 bits, so that both devices can be compared."""
    monkeypatch.setattr(device, "prepare_cuda", lambda: None)
    settings = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [s.allow_tf32 for s in settings]
    for s in settings:
        s.allow_tf32 = False
    yield
    for s, value in zip(settings, before, strict=True):
        s.allow_tf32 = value


def _images(n=8, side=16):
    return np.random.default_rng(0).integers(0, 255, size=(n, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["stable_diffusion", "flux"])
def test_fine_tuning_and_sampling_agree_with_the_cpu(kind, tiny_sd, tiny_flux, tmp_path, monkeypatch):
    folder, scheduler = (
        (tiny_sd, "DDIMScheduler") if kind == "stable_diffusion" else (tiny_flux, "FlowMatchEulerDiscreteScheduler")
    )

    def learned(where):
        base = BaseModel(kind, str(folder), None, "float32")
        f = family(base)
        c = f.load(base)
        assert c.device.type == where
        latents, _ = encode_images(f, c, _images(), ItemStore(tmp_path / where))
        length = 8
        width = c.denoiser.config.get("joint_attention_dim") or c.denoiser.config.cross_attention_dim
        embeds = torch.randn(length, width, generator=torch.Generator().manual_seed(0))
        trainable = adapters.attach(c.denoiser, adapters.Lora(2, 4, ("to_q", "to_v")), 0)
        loss = adapter_loss(DenoisingTask(f, c, latents, 4, 0.0), ["x"] * 8, {"x": embeds})
        losses = optimise(trainable, loss, HOW, where)
        adapters.save(c.denoiser, tmp_path / f"{where}-adapter")
        s = Sampling(
            scheduler=scheduler,
            scheduler_options={},
            num_inference_steps=4,
            guidance_scale=2.0,
            guidance_interval=(0.0, 1.0),
            strength=1.0,
        )
        both = (embeds.expand(2, -1, -1), torch.zeros(2, length, width))
        made = sample(f, c, s, both, latents.mean.shape[1:], [1, 2])
        return losses, [t.detach().cpu() for t in trainable], made.astype(int)

    ours = learned("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    theirs = learned("cpu")
    assert ours[0] == pytest.approx(theirs[0], rel=1e-3)
    for one, other in zip(ours[1], theirs[1], strict=True):
        assert torch.allclose(one, other, atol=2e-4)
    assert np.abs(ours[2] - theirs[2]).mean() < 1


def test_real_lack_of_memory_halves_the_micro_batch_until_it_fits(caplog):
    """A batch that needs eight times what may be had; its gradient is the whole batch's."""
    total = torch.cuda.get_device_properties(0).total_memory
    weight, whole = torch.ones(1, device="cuda", requires_grad=True), torch.ones(1, requires_grad=True)
    values = 2**24  # of 4 bytes: 64 MiB an image, four times while its gradient is computed

    def draw(rng):
        return {"x": torch.rand(32, 1, generator=rng)}

    starved = BatchLoss(draw, lambda batch: (batch["x"].cuda().expand(-1, values) * weight).square().mean())
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(2**30 / total)
    try:
        with caplog.at_level(logging.WARNING):
            halved = optimise([weight], starved, HOW, "starved")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert "micro-batch halved" in caplog.text
    fed = BatchLoss(draw, lambda batch: (batch["x"] * whole).square().mean())
    assert halved == pytest.approx(optimise([whole], fed, HOW, "fed"), rel=1e-4)


def test_views_of_images_are_those_of_the_cpu():
    one, other = (pixels(_images(side=40), torch.device(d), IMAGENET) for d in ("cpu", "cuda"))
    here, there = (augment(x, SUPERVISION, np.random.default_rng(3)) for x in (one, other))
    assert there.is_cuda
    assert torch.allclose(here, there.cpu(), atol=1e-3)


def test_classifiers_and_segmenters_learn_as_on_the_cpu(monkeypatch):
    images, labels = _images(16, 32), np.arange(16) % 4
    masks = images[..., 0] > 127
    arm = ArmParams(images="real", copies=1, seed=0, policy="trivial_augment_wide", mix="cutmix", mix_alpha=1.0)

    def learned():
        network = new_network("resnet18", 4, 32, pretrained=False, seed=0)
        data = Labelled(images, labels)
        fitted = fit_classifier(network, data, data, SUPERVISION, "c", norm=IMAGENET, classic=arm)
        segmenter = new_segmenter("resnet18", 3, pretrained=False, seed=0)
        fit_segmenter(segmenter, Labelled(images, masks), Labelled(images, masks), SUPERVISION, "s", norm=IMAGENET)
        return fitted, predict(network, images, 32, IMAGENET), segment(segmenter, images, 32, IMAGENET)

    ours = learned()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    theirs = learned()
    assert [r[1] for r in ours[0].history] == pytest.approx([r[1] for r in theirs[0].history], rel=1e-2)
    assert np.abs(ours[1] - theirs[1]).max() < 0.05
    assert (ours[2] == theirs[2]).mean() > 0.95

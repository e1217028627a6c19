"""The one training loop: slices, resuming, averages and curves, on the real losses of a small model."""

import logging
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from small_models import HOW, LORA, TERMS
from transformers import T5EncoderModel

from pipeline_steps.captions.llava import ReportData, draw_reports, reply_tokens, report_loss
from pipeline_steps.diffusion import adapters, pretrain, pretrain_flux
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts
from pipeline_steps.diffusion.denoising import DenoisingTask, Prior, adapter_loss
from pipeline_steps.diffusion.inversion import Inversion, inversion_loss, start_tokens
from pipeline_steps.diffusion.latents import LatentSet
from pipeline_steps.diffusion.mask_channels import learn_scale, widen
from pipeline_steps.diffusion.objectives import rectified_flow_objective
from pipeline_steps.diffusion.regions import for_inpainting
from pipeline_steps.diffusion.settings import write_history
from pipeline_steps.items.store import ItemStore
from pipeline_steps.training.batches import BatchLoss
from pipeline_steps.training.checkpoints import Checkpointing
from pipeline_steps.training.loop import Callback, optimise
from pipeline_steps.training.optimisation import Optimisation

STILL = Optimisation(
    1, 0.0, 0.0, 0, "constant", 0.0, 0.0, 5
)  # one step that changes no weight and leaves its gradients
BATCH = 3


def _latents(channels=4, n=6, seed=0):
    rng = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, channels, 8, 8, generator=rng)
    return LatentSet(torch.stack([mean, 0.1 * torch.rand(mean.shape, generator=rng)], dim=1))


def _masks(n=6):
    return np.random.default_rng(0).random((n, 16, 16)) < 0.4


def _adapter(f, c, tmp_path, **changes):
    trainable = adapters.attach(c.denoiser, LORA, 0)
    embeds = embed_prompts(f, c, Tokens({}), ["skin", "a dark photo of skin"], ItemStore(tmp_path / "items"))
    prior = changes.pop("prior", None)
    task = DenoisingTask(f, c, _latents(), BATCH, **{"snr_gamma": 0.0, **changes})
    kept = Prior(DenoisingTask(f, c, _latents(seed=1), BATCH, 0.0), embeds["skin"], prior) if prior else None
    return trainable, adapter_loss(task, ["skin", "a dark photo of skin"] * 3, embeds, kept)


def _inversion(f, c, tmp_path):
    how = Inversion(("psoriasis", "folliculitis"), 2, "skin", ("an image of {token}", "a photo of {token}"))
    tokens = start_tokens(c, how)
    return inversion_loss(DenoisingTask(f, c, _latents(), BATCH, 0.0), tokens, ["psoriasis", "folliculitis"] * 3, how)


def _pairs(f, c, tmp_path):
    widen(c.denoiser)
    learn_scale(c.denoiser, [_latents().mean(torch.arange(BATCH))])
    trainable, _ = _adapter(f, c, tmp_path)
    embeds = embed_prompts(f, c, Tokens({}), ["skin"], ItemStore(tmp_path / "items"))
    terms = TERMS.model_copy(update={"below_sigma": 1.0})
    task = DenoisingTask(f, c, _latents(channels=8), BATCH, 0.0, masks=_masks(), mask_terms=terms)
    return trainable, adapter_loss(task, ["skin"] * 6, embeds)


def _inpainting(f, c, tmp_path):
    for_inpainting(c.denoiser)
    conditioning_latents = torch.randn(6, 2, 5, 8, 8, generator=torch.Generator().manual_seed(2))
    return _adapter(f, c, tmp_path, conditioning_latents=conditioning_latents)


LOSSES = {
    "adapter": _adapter,
    "lesions": lambda *m: _adapter(*m, snr_gamma=5.0, masks=_masks(), lesion_weight=4.0),
    "prior": lambda *m: _adapter(*m, prior=0.7),
    "inversion": _inversion,
    "masks": _pairs,
    "inpainting": _inpainting,
}


def _gradients(trainable, loss, most):
    """Gradients of one step, and its loss, where memory holds so many images at once."""

    def hungry(batch):
        if len(next(iter(batch.values()))) > most:
            raise torch.OutOfMemoryError
        return loss.loss(batch)

    (value,) = optimise(trainable, replace(loss, loss=hungry), STILL, "one step")
    return value, [t.grad.detach().clone() for t in trainable]


def _agree(trainable, loss):
    """At 1, 2 and 3 slices of 3 images: 3, then 1 and 2, then 1 each."""
    whole, expected = _gradients(trainable, loss, BATCH)
    largest = max(float(g.abs().max()) for g in expected)
    assert largest > 0
    for most in (2, 1):
        value, found = _gradients(trainable, loss, most)
        assert value == pytest.approx(whole, rel=1e-5)
        for one, other in zip(expected, found, strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-6 * largest), (one - other).abs().max()


@pytest.mark.parametrize("kind", LOSSES)
def test_slices_change_no_gradient(model, tmp_path, kind):
    _agree(*LOSSES[kind](*model, tmp_path))


def _captured(monkeypatch, module, train):
    """The trainable tensors and the loss that ``train`` gives to the loop."""
    found = []

    def take(trainable, loss, *_, **__):
        found.extend([trainable, loss])
        return []

    monkeypatch.setattr(module, "optimise", take)
    train()
    return found


def test_slices_change_no_gradient_of_a_base_model(model, monkeypatch):
    _, c = model
    monkeypatch.setattr(
        pretrain, "_autocast", lambda: torch.autocast("cpu", enabled=False)
    )  # or rounding is all there is
    ids = c.tokenizer(["skin", "a dark photo of skin"] * 2, padding="max_length", return_tensors="pt").input_ids
    data = pretrain.DenoiserData(_latents(n=4).mean(torch.arange(4)), ids, torch.ones(4), ids[:1])
    parts = (c.text_encoder.requires_grad_(), c.denoiser.requires_grad_(), c.scheduler)
    named = {"batch_size": BATCH, "caption_dropout": 0.5, "save": None}
    _agree(*_captured(monkeypatch, pretrain, lambda: pretrain.train_denoiser(data, parts, HOW, **named)))


def test_slices_change_no_gradient_of_a_flow(tiny_flux, monkeypatch):
    shape = {"in_channels": 16, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16}
    shape |= {"num_attention_heads": 2, "joint_attention_dim": 32, "pooled_projection_dim": 24}
    transformer = pretrain_flux.new_transformer(shape | {"guidance_embeds": False, "axes_dims_rope": (4, 6, 6)}, 0)
    t5 = T5EncoderModel.from_pretrained(tiny_flux / "text_encoder_2")
    rng = torch.Generator().manual_seed(0)
    ids, pooled = torch.randint(3, 60, (4, 24), generator=rng), torch.randn(4, 24, generator=rng)
    data = pretrain_flux.FlowData(_latents(n=4).mean(torch.arange(4)), pooled, ids, 0 * pooled[:1], 0 * ids[:1])
    monkeypatch.setattr(torch, "autocast", lambda *_: nullcontext())
    parts, named = (t5, transformer, rectified_flow_objective(1000)), {"batch_size": BATCH, "caption_dropout": 0.5}
    _agree(
        *_captured(monkeypatch, pretrain_flux, lambda: pretrain_flux.train_flow(data, parts, HOW, **named, save=None))
    )


def test_a_batch_of_statistics_is_never_cut(monkeypatch):
    """The autoencoder's channels are to have the statistics of a batch: its slices would be another loss."""
    shape = {"latent_channels": 4, "encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    shape |= {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}
    images = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3), np.uint8)
    train = lambda: pretrain.train_autoencoder(images, shape, HOW, BATCH, None)  # noqa: E731
    trainable, loss = _captured(monkeypatch, pretrain, train)
    assert _gradients(trainable, loss, BATCH)[0] > 0
    with pytest.raises(torch.OutOfMemoryError):
        _gradients(trainable, loss, BATCH - 1)


def test_a_slice_of_replies_counts_by_its_tokens():
    """A loss that is a mean over tokens: the longer reply counts more, in whatever slice it is."""

    class Model(torch.nn.Module):
        device = torch.device("cpu")
        config = type("C", (), {"text_config": type("T", (), {"pad_token_id": 0})})

        def __init__(self):
            super().__init__()
            self.table = torch.nn.Parameter(torch.randn(9, 9, generator=torch.Generator().manual_seed(0)))

        def forward(self, input_ids, pixel_values, logits_to_keep):
            return type("O", (), {"logits": self.table[input_ids][:, -logits_to_keep:]})

    replies = torch.tensor([[1, 2, -100, -100], [3, -100, -100, -100], [4, 5, 6, 7]])
    data = ReportData(np.zeros((3, 4, 4, 3), np.uint8), torch.tensor([8]), replies)
    network = Model()
    loss = BatchLoss(
        lambda rng: draw_reports(data, BATCH, rng), lambda b: report_loss(network, data.prompt, b), reply_tokens
    )
    _agree(list(network.parameters()), loss)


def test_memory_is_tried_down_to_single_images_and_no_further(model, tmp_path, caplog):
    trainable, loss = _adapter(*model, tmp_path)
    with caplog.at_level(logging.WARNING):
        _gradients(trainable, loss, 1)
    assert [r.getMessage().split("accumulating ")[1] for r in caplog.records] == ["2 parts", "3 parts"]
    with pytest.raises(torch.OutOfMemoryError):
        _gradients(trainable, loss, 0)


def test_not_a_number_stops_and_is_never_saved(tmp_path):
    weight = torch.zeros(1, requires_grad=True)
    losses = iter([1.0, 2.0, float("nan"), 1.0])
    loss = BatchLoss(lambda _rng: {"x": torch.zeros(2)}, lambda _batch: (weight * 0 + next(losses)).sum())
    save = Checkpointing(tmp_path / "c.pt", 1)
    with pytest.raises(FloatingPointError, match="at step 3"):
        optimise([weight], loss, HOW, "nan", checkpointing=save)
    assert torch.load(save.path, weights_only=True)["losses"] == [1.0, 2.0]


def test_callbacks_see_what_would_be_saved(model, tmp_path):
    """With an average, validation and previews see the average, and the training goes on from the raw weights."""
    trainable, loss = _adapter(*model, tmp_path)
    first = [t.detach().clone() for t in trainable]

    def trained(steps, callbacks=()):
        for own, value in zip(trainable, first, strict=True):
            own.data.copy_(value)
        optimise(trainable, loss, replace(HOW, steps=steps, schedule="constant"), "ema", callbacks=callbacks)
        return [t.detach().clone() for t in trainable]

    seen = []
    ended = trained(6, [Callback(2, lambda step: seen.append((step, [t.detach().clone() for t in trainable])))])
    assert [step for step, _ in seen] == [2, 4, 6]
    for step, weights in seen:
        assert all(torch.equal(a, b) for a, b in zip(weights, trained(step), strict=True)), f"after {step} steps"
    assert all(torch.equal(a, b) for a, b in zip(ended, trained(6), strict=True)), "a callback changes nothing"


def test_a_curve_has_a_row_at_each_validation_step_and_at_the_end(tmp_path):
    write_history(tmp_path / "h.csv", [1.0, 2.0, 3.0, 4.0, 9.0], 2, {4: 0.5})
    table = pd.read_csv(tmp_path / "h.csv")
    assert table["step"].tolist() == [2, 4, 5]
    assert table["loss"].tolist() == [1.5, 3.5, 9.0]
    assert table["validation_loss"].fillna(-1).tolist() == [-1, 0.5, -1]

"""Latents decoded in slices, as on a GPU, are the images of decoding all at once."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline_steps.diffusion import augment
from pipeline_steps.diffusion.families import FAMILIES
from pipeline_steps.diffusion.hub import BaseModel


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("at_once", [1, 2, 4, 7])
def test_slices_are_the_whole_and_depend_on_no_neighbour(kind, at_once, tiny_sd, tiny_flux):
    folder = {"stable_diffusion": tiny_sd, "flux": tiny_flux}[kind]
    f, c = FAMILIES[kind], FAMILIES[kind].load(BaseModel(kind, str(folder), None, "float32"))
    shapes = []
    c.vae.decoder.register_forward_hook(lambda _m, given, _out: shapes.append(len(given[0])))
    latents = torch.randn(5, c.vae.config.latent_channels, 8, 8, generator=torch.Generator().manual_seed(0))
    whole, sliced = f.decode(c, latents), f.decode(c, latents, at_once)
    assert shapes == [5] + [at_once] * -(-5 // at_once), "all slices have one shape"
    assert sliced.shape == whole.shape
    assert np.abs(sliced.astype(int) - whole).max() <= 1
    assert np.array_equal(f.decode(c, latents[:3], at_once), sliced[:3]), "whatever else is in the batch"


@pytest.mark.parametrize(("device", "behind"), [("cpu", False), ("cuda", True)])
def test_images_are_written_meanwhile_where_a_gpu_makes_them(monkeypatch, device, behind):
    asked = []
    store = SimpleNamespace(get_or_compute=lambda *_, **how: asked.append(how["behind"]))
    monkeypatch.setattr(augment, "default_store", lambda: store)
    c = SimpleNamespace(device=torch.device(device), dtype=torch.float32)
    manifest = SimpleNamespace(set_index=lambda _n: {"sha256": {}})
    m = augment.Model(None, c, None, {}, SimpleNamespace(manifest=manifest))
    params = SimpleNamespace(batch_size=2, mode="m", **dict.fromkeys(augment.Sampler.model_fields))
    augment._through_store(
        m, params, [], ([], None), augment.SamplingPlan("pipeline_steps.diffusion.augment", [], None)
    )
    assert asked == [behind]

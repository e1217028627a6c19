"""Text encoders take no room of the device that denoises, but while they embed."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from pipeline_steps.diffusion import families, flux
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts
from pipeline_steps.diffusion.families import FAMILIES
from pipeline_steps.diffusion.hub import BaseModel, bring_text_encoders
from pipeline_steps.items.store import ItemStore

CARD = torch.device("meta")  # a device that is there on every machine, on which nothing can be computed
CPU = torch.device("cpu")
PROMPTS = ["skin", "a dark photo of skin"]


class Encoder:
    """A text encoder that computes nothing, and notes where it is when it is asked to."""

    def __init__(self):
        self.at, self.asked = CPU, []

    def parameters(self):
        return iter([SimpleNamespace(device=self.at)])

    def to(self, device):
        self.at = device

    def __call__(self, ids):
        self.asked.append((self.at, ids.device))
        words = torch.zeros(len(ids), 8, 16, device=ids.device)
        return SimpleNamespace(last_hidden_state=words, pooler_output=words[:, 0])


def _loaded(kind, folder):
    return FAMILIES[kind], FAMILIES[kind].load(BaseModel(kind, str(folder), None, "float32"))


@pytest.mark.parametrize("kind", FAMILIES)
def test_none_is_loaded_there_where_all_embeddings_are_known(kind, tiny_sd, tiny_flux, tmp_path, monkeypatch):
    folder = {"stable_diffusion": tiny_sd, "flux": tiny_flux}[kind]
    store = ItemStore(tmp_path / "items")
    known = embed_prompts(*_loaded(kind, folder), Tokens({}), PROMPTS, store)
    for module in (families, flux):
        monkeypatch.setattr(module, "best_device", lambda: CARD)
    f, c = _loaded(kind, folder)
    assert {p.device for part in (c.vae, c.denoiser) for p in part.parameters()} == {CARD}
    again = embed_prompts(f, c, Tokens({}), PROMPTS, store)
    assert all(torch.equal(known[p], again[p]) for p in PROMPTS)
    assert {p.device for e in c.text_encoders for p in e.parameters()} == {CPU}


@pytest.mark.parametrize("kind", FAMILIES)
def test_they_come_to_embed(kind, tiny_sd, tiny_flux):
    f, c = _loaded(kind, {"stable_diffusion": tiny_sd, "flux": tiny_flux}[kind])
    fakes = tuple(Encoder() for _ in c.text_encoders)
    f.embed(replace(c, text_encoders=fakes, device=CARD), torch.zeros(2, 40, dtype=torch.long))
    assert [fake.asked for fake in fakes] == [[(CARD, CARD)]] * len(fakes)


@pytest.mark.parametrize("fails", [False, True])
def test_they_are_gone_before_anything_else_is_done(model, tmp_path, fails):
    f, c = model
    plain = embed_prompts(f, c, Tokens({}), PROMPTS, ItemStore(tmp_path / "plain"))
    fake = Encoder()
    there = replace(c, text_encoders=(fake,), device=CARD)

    def embed(_c, ids):
        bring_text_encoders(there)
        assert fake.at == CARD
        if fails:
            raise torch.OutOfMemoryError
        return f.embed(c, ids)

    watched, store = replace(f, embed=embed), ItemStore(tmp_path / "watched")
    if fails:
        with pytest.raises(torch.OutOfMemoryError):
            embed_prompts(watched, there, Tokens({}), PROMPTS, store)
    else:
        found = embed_prompts(watched, there, Tokens({}), PROMPTS, store)
        assert all(torch.equal(found[p], plain[p]) for p in PROMPTS)
    assert fake.at == CPU


def test_all_prompts_are_embedded_before_the_first_image(monkeypatch, tmp_path, tiny_sd):
    """However many adapters draw them: between two of them no text encoder comes back."""
    from pipeline_steps.diffusion import augment

    events = []
    monkeypatch.setattr(augment, "embed_prompts", lambda _f, _c, _t, told, _s: events.append(len(told)))

    def images(*_):
        events.append("images")
        return SimpleNamespace(keys=["k"]), augment.CacheStats(0, 1)

    monkeypatch.setattr(augment, "_through_store", images)
    jobs = [SimpleNamespace(source_id="s", condition=c, target_level="6") for c in ("a", "b")]
    for name, value in {
        "read_base": lambda _n: BaseModel("stable_diffusion", str(tiny_sd), None, "float32"),
        "load_tokens": lambda _f: Tokens({}),
        "read_captions": lambda _f: SimpleNamespace(prompt=lambda *told: augment.Prompt(" ".join(told), "")),
        "open_dataset": lambda _f: None,
        "_by_adapter": lambda *_: [(None, [0]), (None, [1])],
    }.items():
        monkeypatch.setattr(augment, name, value)
    params = SimpleNamespace(base="b", inversion=None, mode="m")
    made = SimpleNamespace(tokens=None, captions=None, dataset=None, adapter=tmp_path)
    augment.generate_images(lambda *_: None, params, made, jobs)
    assert events == [3, "images", "images"]

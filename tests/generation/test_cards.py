"""Cards: the code on the card of an adapter loads it with diffusers alone, and the hub reads the front matter."""

import re

import pandas as pd
import pytest
import torch
from huggingface_hub import DatasetCard, ModelCard
from transformers import CLIPTextModel

from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, save_tokens
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.generation.adapter_card import AdapterUse, adapter_card
from pipeline_steps.generation.cards import images_card

# diffusers takes both names until its version 1, and the older one before 0.36, too.
pytestmark = pytest.mark.filterwarnings("ignore:`torch_dtype` is deprecated:FutureWarning")
TRAIN = pd.DataFrame({"condition": ["psoriasis", "tick bite"], "level": ["1", "2"], "target_level": ["5", "6"]})
TOKENS = {"psoriasis": ("<psoriasis>", 2), "tick bite": ("<tick-bite>", 1)}


@pytest.fixture
def project(tiny_sd, tmp_path, monkeypatch):
    """A folder with a base model whose text encoder lies in 16 bits, as that of the shipped one does."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sd").mkdir()
    for part in tiny_sd.iterdir():
        if part.name != "text_encoder":
            (tmp_path / "sd" / part.name).symlink_to(part)
    CLIPTextModel.from_pretrained(tiny_sd / "text_encoder").half().save_pretrained("sd/text_encoder")
    return tmp_path


def _adapter(project, *, method="lora", conditions=(), dtype="float32"):
    """An adapter that was trained, as it were, with tokens, and how its card says that it is loaded."""
    base = BaseModel("stable_diffusion", "sd", None, dtype)
    c = family(base).load(base)
    tokens = Tokens({condition: (p, torch.randn(n, 32)) for condition, (p, n) in TOKENS.items()})
    (project / "tokens").mkdir()
    save_tokens(tokens, project / "tokens")
    add_tokens(c, tokens)
    if method == "full":
        adapters.unfreeze(c.denoiser)
    else:
        trained = adapters.attach(c.denoiser, adapters.Lora(2, 2, ("to_q", "to_k")), 0)
        torch.nn.init.normal_(trained[1])
    adapters.save(c.denoiser, project / "adapter" / ("psoriasis" if conditions else "."))
    return AdapterUse(
        base="sd",
        revision=None,
        dtype=dtype,
        part=adapters.part_of(c.denoiser),
        folder=project.relative_to(project) / "adapter",
        conditions=conditions,
        task="image",
        method=method,
        tokens={condition: placeholder for condition, (placeholder, _) in TOKENS.items()},
        tokens_folder=project.relative_to(project) / "tokens",
        prompt="a photo of <psoriasis>",
    )


def _code(card):
    (code,) = re.findall(r"```python\n(.*?)```", str(card), re.DOTALL)
    return code


@pytest.mark.parametrize(
    ("how", "weights"),
    [
        ({}, "adapter"),
        ({"conditions": ("psoriasis", "tick bite")}, "adapter/psoriasis"),
        ({"method": "full"}, "adapter/denoiser"),
        ({"dtype": "bfloat16"}, "adapter"),
    ],
    ids=["joint", "one a condition", "all weights", "16 bits"],
)
def test_the_code_on_the_card_of_an_adapter_makes_an_image(project, how, weights):
    use = _adapter(project, **how)
    code = _code(adapter_card(use, "d" * 64, {}, TRAIN, "iii-0"))
    assert f'"{weights}"' in code
    seen = {}
    exec(compile(code, "card", "exec"), seen)
    pipeline = seen["pipeline"]
    assert seen["image"].size == (16, 16)
    assert {p.dtype for p in pipeline.unet.parameters()} == {getattr(torch, use.dtype)}
    assert {"<psoriasis>", "<psoriasis>_1", "<tick-bite>"} <= set(pipeline.tokenizer.get_vocab())
    assert bool(getattr(pipeline.unet, "peft_config", None)) == (use.method == "lora")


def test_without_the_dtype_the_base_model_computes_in_two_types(project):
    code = _code(adapter_card(_adapter(project), "d" * 64, {}, TRAIN, "iii-0"))
    with pytest.raises(RuntimeError, match="must have the same dtype"):
        exec(compile(code.replace(", torch_dtype=dtype", ""), "card", "exec"), {})


def test_a_card_shows_tokens_settings_and_what_diffusers_cannot_load(project):
    use = _adapter(project)
    text = str(adapter_card(use, "d" * 64, {"rank": 8}, TRAIN, "iii-0"))
    assert "| tick bite | `<tick-bite>` |" in text
    assert "| rank | 8 |" in text
    assert "| psoriasis | 1 | 1 |" in text
    masks = str(adapter_card(AdapterUse(**{**vars(use), "task": "image_and_mask"}), "d" * 64, {}, TRAIN, "iii-0"))
    assert "```python" not in masks
    assert "diffusers has no pipeline" in masks


def test_cards_are_the_hubs(project):
    card = ModelCard(str(adapter_card(_adapter(project), "d" * 64, {}, TRAIN, "iii-0")))
    assert (card.data.library_name, card.data.pipeline_tag, card.data.base_model) == (
        "diffusers",
        "text-to-image",
        "sd",
    )
    assert DatasetCard(str(images_card("a model", {}, TRAIN))).data.task_categories == ["image-classification"]

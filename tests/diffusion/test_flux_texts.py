"""What each of a Flux-shaped model's two text encoders reads."""

import json
import shutil

import pandas as pd
import pytest
import torch
from diffusers import FluxPipeline
from transformers import CLIPTextModel

from pipeline_steps import caption
from pipeline_steps.captions.backends.concepts import ConceptParams
from pipeline_steps.captions.captioner import Study
from pipeline_steps.diffusion.conditioning import Tokens, embed_prompts, prompt_ids
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.pretrain import train_tokenizer
from pipeline_steps.diffusion.pretrain_flux import clip_config, unigram_tokenizer
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.captioned import Captions, Prompt
from pipeline_steps.stage.errors import DataError


@pytest.fixture(scope="module")
def long_flux(tiny_flux, tmp_path_factory):
    """The small model with text encoders that hold what FLUX.1-dev's do: CLIP 77 tokens, T5 512."""
    folder = tmp_path_factory.mktemp("long-flux") / "model"
    shutil.copytree(tiny_flux, folder)
    words = ["an image of psoriasis on the skin of a light-skinned individual", "a dark photo of skin"] * 20
    clip = train_tokenizer(words, 700, 77)
    shape = {"hidden_size": 24, "intermediate_size": 37, "num_hidden_layers": 1, "num_attention_heads": 4}
    torch.manual_seed(0)
    shutil.rmtree(folder / "text_encoder")
    CLIPTextModel(clip_config(clip, shape)).save_pretrained(folder / "text_encoder")
    clip.save_pretrained(folder / "tokenizer")
    unigram_tokenizer(words, 120, 512).save_pretrained(folder / "tokenizer_2")
    return folder


def test_t5_reads_a_long_caption_whole_and_clip_a_short_one(long_flux, tmp_path):
    """As FluxPipeline reads ``prompt_2`` and ``prompt``; what CLIP lacks are whole phrases from the end."""
    concepts = {n: "dark skin of the individual on a photo of psoriasis " * 3 + n for n in "abcdefgh"}
    tokenizer = {"location": str(long_flux), "subfolder": "tokenizer_2", "revision": None, "max_tokens": 512}
    params = ConceptParams.model_validate(
        {
            "backend": "concepts",
            "text": "{token} on {level} skin: {concepts}",
            "plain": "{token} on {level} skin",
            "phrases": {"*": "{value}"},
            "tokenizer": {**tokenizer, "short": {"subfolder": "tokenizer", "max_tokens": 77}},
            "level_words": dict.fromkeys(range(1, 7), "very dark"),
        }
    )
    rows = pd.DataFrame({"image_id": ["a"], "condition": ["psoriasis"], "attributes": [json.dumps(concepts)]})
    made = caption.caption(params, Study(rows, tmp_path, ItemStore(tmp_path / "items")), "123456")
    said = Captions({"a": Prompt(made.captions[0], made.short_captions[0])}, params.level_words)
    prompt = said.prompt("a", "psoriasis", "6")
    base = BaseModel("flux", str(long_flux), None, "float32")
    f, c = family(base), family(base).load(base)
    assert len(c.tokenizers[1](prompt.text).input_ids) > 200
    assert prompt.text == f"psoriasis on very dark skin: {', '.join(concepts.values())}"
    assert prompt.text.startswith(prompt.short)
    assert prompt.short.endswith(tuple(concepts.values()))
    assert made.counts["phrases_dropped"] == 0
    assert made.counts["phrases_not_in_short"] == len(concepts) - sum(v in prompt.short for v in concepts.values())

    ours = embed_prompts(f, c, Tokens({}), [prompt], ItemStore(tmp_path / "items"))[prompt]
    pipe = FluxPipeline.from_pretrained(long_flux)
    words, pooled, _ = pipe.encode_prompt(prompt=prompt.short, prompt_2=prompt.text, max_sequence_length=512)
    assert torch.allclose(ours[1:], words[0], atol=1e-5)
    assert torch.allclose(ours[0, :24], pooled[0], atol=1e-5)
    with pytest.raises(DataError, match=r"holds 77: .*tokenizer\.short"):
        prompt_ids(c, [prompt.text])


def test_what_either_text_encoder_is_told_makes_another_embedding(long_flux, tmp_path):
    base = BaseModel("flux", str(long_flux), None, "float32")
    f, c = family(base), family(base).load(base)
    prompts = [Prompt("skin", "skin"), Prompt("skin", "a photo"), Prompt("a photo", "skin")]
    store = ItemStore(tmp_path)
    embeds = [embed_prompts(f, c, Tokens({}), [p], store)[p] for p in prompts]
    assert not torch.equal(embeds[0], embeds[1])
    assert torch.equal(embeds[0][1:], embeds[1][1:])
    assert not torch.equal(embeds[0], embeds[2])
    assert torch.equal(embeds[0][0], embeds[2][0])

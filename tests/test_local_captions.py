"""Captions by a vision-language model in this process: a tiny one in the hub's layout, with random weights."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from pipeline_steps.captions.captioner import Study
from pipeline_steps.captions.local import LocalParams, by_local_model, new_reporter
from pipeline_steps.captions.reports import read_report, stored_reply
from pipeline_steps.captions.schema import SCHEMAS
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.errors import DataError
from pipeline_steps.stage.params import read_yaml

TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}</s>{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.fixture(scope="module")
def tiny_vlm(tmp_path_factory):
    """A LLaVA: CLIP vision tower, projector, Llama; a byte-level tokenizer; a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(0)
    special = ["<pad>", "</s>", "<s>", "<image>"]
    vocab = {t: i for i, t in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    raw = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>",
        additional_special_tokens=["<image>"],
    )
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=3, image_token_id=3)
    folder = tmp_path_factory.mktemp("tiny-vlm")
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    LlavaProcessor(
        images, tokenizer, patch_size=14, vision_feature_select_strategy="default",
        chat_template=TEMPLATE, image_token="<image>", num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def _params(location, **changes):
    from conftest import ROOT

    given = read_yaml(ROOT / "params.yaml")["captioners"]["reports_local"]
    given["tokenizer"]["location"] = str(ROOT / "models/base/phantom-sd")
    fast = {
        "dtype": "float32",
        "schema_name": "dermaflux",
        "max_reply_tokens": 500,
        "batch_size": 2,
        "most_failures": 0,
    }
    return LocalParams.model_validate(given | {"location": str(location)} | fast | changes)


def _study(folder, count=3):
    rng = np.random.default_rng(0)
    ids = [f"i{k}" for k in range(count)]
    pd.DataFrame({"image_id": ids, "row": range(count), "has_mask": False}).to_parquet(folder / "manifest.parquet")
    np.save(folder / "pixels.npy", rng.integers(0, 255, size=(count, 32, 32, 3), dtype=np.uint8))
    np.save(folder / "masks.npy", np.zeros((count, 32, 32), bool))
    rows = pd.DataFrame({"image_id": ids, "condition": ["psoriasis", "folliculitis", "psoriasis"][:count]})
    return Study(rows, folder, ItemStore(folder / "items"))


def test_replies_of_random_weights_fit_the_schema_and_are_stored(tiny_vlm, tmp_path, monkeypatch):
    params, study = _params(tiny_vlm), _study(tmp_path)
    made = by_local_model(params, study)
    assert made.counts["unusable_replies"] == {}
    assert (made.use.reused, made.use.computed) == (0, 3)
    assert all("{token}" in c and "{tone}" in c for c in made.captions)
    monkeypatch.setattr("pipeline_steps.captions.local.new_reporter", None)  # nothing is asked twice
    again = by_local_model(params, study)
    assert (again.use.reused, again.captions) == (3, made.captions)


def test_the_image_is_shown_and_neighbours_change_nothing(tiny_vlm):
    reply = new_reporter(_params(tiny_vlm))
    one, other = (Image.fromarray(np.full((32, 32, 3), v, np.uint8)) for v in (0, 255))
    both = reply([one, other], ["say", "say"])
    assert both[0] != both[1]
    assert reply([other, one], ["say", "say"]) == both[::-1]
    longer = reply([one, other], ["say", "say much more of it"])
    assert longer[0] == both[0], "the padding of a batch must not be read"
    entries, why = read_report(_params(tiny_vlm), both[0])
    assert (set(entries), why) == (set(SCHEMAS["dermaflux"]), "")


def test_a_reply_that_is_cut_off_is_counted(tiny_vlm, tmp_path):
    made = by_local_model(_params(tiny_vlm, max_reply_tokens=5, most_failures=1.0), _study(tmp_path))
    assert made.counts["unusable_replies"] == {"cut off at max_reply_tokens": 3}
    assert set(made.captions) == {"{token}, on {tone} skin"}
    with pytest.raises(DataError, match="3 of 3 images have no usable report"):
        by_local_model(_params(tiny_vlm, max_reply_tokens=5), _study(tmp_path))


def test_a_model_that_can_not_be_loaded_is_named(tmp_path):
    with pytest.raises(DataError, match=r"vision-language model .*gone.* can't be loaded"):
        new_reporter(_params(tmp_path / "gone"))


def test_a_reply_is_checked_even_so(tiny_vlm):
    params = _params(tiny_vlm)
    good = dict.fromkeys(SCHEMAS["dermaflux"], "round")
    assert read_report(params, stored_reply(json.dumps(good), "stop")) == (good, "")
    assert read_report(params, stored_reply(json.dumps({**good, "colour": 3}), "stop"))[1] == "colour: string_type"

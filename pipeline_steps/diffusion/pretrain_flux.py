"""Parts of a small Flux-shaped base model with fresh weights: unigram tokenizer, T5 and CLIP encoders, transformer."""

import json
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast


def train_unigram(captions: Sequence[str], vocabulary: int, max_length: int) -> T5TokenizerFast:
    """Learn a lower-cased unigram tokenizer, as T5's, from ``captions``."""
    unknown = "<unk>"
    trained = Tokenizer(models.Unigram())
    trained.normalizer = normalizers.Lowercase()
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    # Every letter has a token: an unknown word is spelled, not lost.
    letters = [chr(code) for code in range(33, 127)]
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary + len(letters),
        special_tokens=["<pad>", "</s>", unknown],
        initial_alphabet=letters,
        unk_token=unknown,
    )
    trained.train_from_iterator(captions, trainer)
    vocab = [(token, score) for token, score in json.loads(trained.to_str())["model"]["vocab"]]
    return T5TokenizerFast(vocab=vocab, extra_ids=0, model_max_length=max_length)


def t5_config(tokenizer: Any, shape: dict[str, int]) -> T5Config:
    """The configuration of a T5 encoder that fits ``tokenizer``."""
    return T5Config(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        **shape,
    )


def clip_config(tokenizer: CLIPTokenizer, shape: dict[str, int]) -> CLIPTextConfig:
    """The configuration of a CLIP text encoder that fits ``tokenizer``."""
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,
    )


def new_t5(tokenizer: Any, shape: dict[str, int], seed: int) -> T5EncoderModel:
    """A T5 encoder with fresh weights."""
    torch.manual_seed(seed)
    return T5EncoderModel(t5_config(tokenizer, shape))


def new_transformer(shape: dict[str, Any], seed: int) -> FluxTransformer2DModel:
    """A Flux transformer with fresh weights."""
    torch.manual_seed(seed)
    return FluxTransformer2DModel(**shape)

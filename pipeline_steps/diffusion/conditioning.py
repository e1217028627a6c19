"""Prompts as embeddings: learned tokens in the tokenizer and text encoder, prompts through the item store."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline_steps.diffusion.families import Family
from pipeline_steps.diffusion.hub import Components, send_text_encoders_off
from pipeline_steps.diffusion.stored import Embeddings, tensor_bytes
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.store import ItemStore, item_key
from pipeline_steps.pixels.images import digest
from pipeline_steps.records.captioned import Prompt, Words
from pipeline_steps.records.slugs import slug
from pipeline_steps.stage.errors import DataError

_BATCH = 16


@dataclass(frozen=True)
class Tokens:
    """Learned tokens: by condition, its placeholder and its vectors (k, D). Empty: plain condition names."""

    vectors: dict[str, tuple[str, Tensor]]

    def name(self, condition: str) -> str:
        """What a prompt calls ``condition``: its placeholder pieces, or plainly its name."""
        if condition not in self.vectors:
            return condition
        placeholder, vectors = self.vectors[condition]
        return " ".join(_pieces(placeholder, len(vectors)))


def _pieces(placeholder: str, count: int) -> list[str]:
    """The convention of diffusers' ``load_textual_inversion`` for several vectors a token."""
    return [placeholder, *(f"{placeholder}_{i}" for i in range(1, count))]


def save_tokens(tokens: Tokens, folder: Path) -> None:
    """One safetensors file a condition, as ``load_textual_inversion`` reads it, and ``index.json``."""
    index = {}
    for condition, (placeholder, vectors) in tokens.vectors.items():
        file = f"{slug(condition)}.safetensors"
        save_file({placeholder: vectors.detach().float().contiguous().cpu()}, folder / file)
        index[condition] = {"placeholder_token": placeholder, "file": file}
    (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n")


def load_tokens(folder: Path | None) -> Tokens:
    """Read what ``save_tokens`` wrote; ``None`` means plain names."""
    if folder is None:
        return Tokens({})
    index = json.loads((folder / "index.json").read_text("utf-8"))
    return Tokens(
        {
            condition: (entry["placeholder_token"], load_file(folder / entry["file"])[entry["placeholder_token"]])
            for condition, entry in index.items()
        }
    )


def add_tokens(c: Components, tokens: Tokens) -> None:
    """Add the learned tokens to tokenizer and text encoder, in place."""
    pieces = [p for placeholder, vectors in tokens.vectors.values() for p in _pieces(placeholder, len(vectors))]
    if not pieces:
        return
    if known := sorted(set(pieces) & set(c.tokenizer.get_vocab())):
        raise DataError(
            f"the base model's tokenizer already knows {', '.join(known)}, which would stand for a condition; "
            "rename that condition in the labels"
        )
    added = c.tokenizer.add_tokens(pieces)
    assert added == len(pieces), f"{pieces} are not so many distinct tokens"
    c.text_encoder.resize_token_embeddings(len(c.tokenizer), mean_resizing=False)
    table = c.text_encoder.get_input_embeddings().weight
    rows = torch.cat([vectors for _, vectors in tokens.vectors.values()])
    with torch.no_grad():
        table[c.tokenizer.convert_tokens_to_ids(pieces)] = rows.to(table)
    table.requires_grad_(False)


def encoder_texts(c: Components, prompt: str | Prompt) -> list[str]:
    """What each text encoder reads of ``prompt``: the last one the text, one before it (Flux's CLIP) the short one."""
    if isinstance(prompt, str):
        return [prompt] * len(c.tokenizers)
    return [*[prompt.short] * (len(c.tokenizers) - 1), prompt.text]


def prompt_ids(c: Components, prompts: Sequence[Words]) -> Tensor:
    """Token ids (B, L) of all text encoders side by side, each padded to its tokenizer's limit.

    Raises:
        DataError: a prompt is longer than a text encoder holds: nothing is cut silently.
    """
    texts = zip(*(encoder_texts(c, p) for p in prompts), strict=True)
    return torch.cat([ids_of(tokenizer, own) for tokenizer, own in zip(c.tokenizers, texts, strict=True)], dim=1)


def ids_of(tokenizer: Any, prompts: Sequence[str]) -> Tensor:
    """Token ids (B, L) of one tokenizer, as ``prompt_ids``."""
    limit = tokenizer.model_max_length
    ids = tokenizer(list(prompts), padding="max_length", max_length=limit, truncation=False).input_ids
    for prompt, row in zip(prompts, ids, strict=True):
        if len(row) > limit:
            raise DataError(
                f"prompt has {len(row)} tokens, the text encoder holds {limit}: {prompt!r}; shorten it, or (where that "
                "is the first of two text encoders) set the captioner's tokenizer.short"
            )
    return torch.tensor(ids)


def embed_prompts(
    f: Family, c: Components, tokens: Tokens, prompts: Sequence[Words], store: ItemStore
) -> Embeddings[Words]:
    """Embeddings (L', D) of the distinct ``prompts``, each computed once for these weights and tokens.

    Text encoders are on the model's device while there is one to compute, and on the CPU when this returns.
    """
    distinct = sorted(set(prompts))
    learned = [digest(v.numpy()) for _, v in tokens.vectors.values()]
    code = code_version("pipeline_steps.diffusion.conditioning")
    model = {"base": c.digest, "dtype": str(c.dtype), "names": sorted(tokens.vectors), "tokens": learned}
    keys = [item_key("prompt", code, texts=encoder_texts(c, p), **model) for p in distinct]

    def compute(batch: list[int]) -> list[bytes]:
        with torch.no_grad():
            embeds = f.embed(c, prompt_ids(c, [distinct[i] for i in batch]))
        return [tensor_bytes(row) for row in embeds]

    try:
        values, _ = store.get_or_compute(keys, compute, _BATCH, "prompts")
    finally:
        send_text_encoders_off(c)
    return Embeddings(values, {prompt: i for i, prompt in enumerate(distinct)})

"""A small vision-language model that learns to report on images: a ViT encoder, a projector and a Llama decoder.

The layout is LLaVA's (Liu et al. 2023, arXiv 2304.08485), so that transformers' image-text-to-text classes load it;
its parts are trained together from fresh weights.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

_SPECIAL = ["<pad>", "</s>", "<s>", "<image>"]
_CHAT = (
    "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}</s>{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
_IGNORED = -100


def byte_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE that merges across words, but not an entry's value in JSON with what stands around it.

    So the fixed parts of instruction and reply cost a token each.
    """
    raw = Tokenizer(models.BPE())
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r'(?<=: ")[^"]+(?=")'), "isolated"), whole])
    raw.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=_SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        bos_token="<s>",  # noqa: S106
        additional_special_tokens=["<image>"],
    )


def new_captioner(
    tokenizer: PreTrainedTokenizerFast, vision: dict[str, int], text: dict[str, int], seed: int
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """A LLaVA with fresh weights, and its processor with a chat template."""
    image = tokenizer.convert_tokens_to_ids("<image>")
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        **text,
    )
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**vision), text_config=shape, image_token_id=image, vision_feature_layer=-1
    )
    torch.manual_seed(seed)
    size = vision["image_size"]
    images = CLIPImageProcessor(
        size={"shortest_edge": size},
        crop_size={"height": size, "width": size},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=vision["patch_size"],
        vision_feature_select_strategy="default",
        chat_template=_CHAT,
        image_token="<image>",  # noqa: S106
        num_additional_image_tokens=1,
    )
    return LlavaForConditionalGeneration(config), processor


def reply_ids(tokenizer: PreTrainedTokenizerFast, reports: Sequence[dict[str, str]]) -> Tensor:
    """Token ids of the reports as JSON, each ended, (N, L), padded with -100."""
    found = [[*tokenizer(json.dumps(r), add_special_tokens=False).input_ids, tokenizer.eos_token_id] for r in reports]
    ids = torch.full((len(found), max(map(len, found))), _IGNORED)
    for row, reply in zip(ids, found, strict=True):
        row[: len(reply)] = torch.tensor(reply)
    return ids


def prompt_of(processor: LlavaProcessor, image: npt.NDArray[np.uint8], instruction: str) -> tuple[Tensor, Any]:
    """Token ids of the prompt, (P,), with a place for each patch; and the image as the model sees it, (3, H, W)."""
    content = [{"type": "image"}, {"type": "text", "text": instruction}]
    chat = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    given = processor(images=[image], text=[chat], return_tensors="pt")
    return given["input_ids"][0], given["pixel_values"][0]


@dataclass(frozen=True)
class ReportData:
    """Images (N, H, W, 3), the token ids of the prompt that all share, (P,), and of their replies, (N, L)."""

    pixels: npt.NDArray[np.uint8]
    prompt: Tensor
    replies: Tensor


def draw_reports(data: ReportData, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
    """A random batch: images ``x`` (B, 3, H, W) uint8, and the token ids of their replies, (B, L).

    The images of a batch are turned and mirrored together: their replies do not depend on it.
    """
    rows = torch.randint(len(data.pixels), (batch_size,), generator=rng)
    turns, mirrored = (int(v) for v in torch.randint(4, (2,), generator=rng))
    x = torch.rot90(torch.from_numpy(data.pixels[rows.numpy()]).permute(0, 3, 1, 2), turns, (2, 3))
    return {"x": x.flip(3) if mirrored % 2 else x, "replies": data.replies[rows]}


def reply_tokens(batch: dict[str, Tensor]) -> float:
    """How many tokens the replies of a batch have: its loss is their mean."""
    return float((batch["replies"] != _IGNORED).sum())


def report_loss(model: LlavaForConditionalGeneration, prompt: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Mean cross-entropy of the replies' tokens alone, after the token ids (P,) of the prompt that all share."""
    pad = int(model.config.text_config.pad_token_id)
    x, replies = (batch[name].to(model.device, non_blocking=True) for name in ("x", "replies"))
    filled = replies.clamp_min(0).where(replies >= 0, pad)
    ids = torch.cat([prompt.to(model.device, non_blocking=True).expand(len(replies), -1), filled], 1)
    with torch.autocast(model.device.type, torch.bfloat16):
        seen = model(input_ids=ids, pixel_values=x.float() / 127.5 - 1, logits_to_keep=replies.shape[1] + 1)
    logits = seen.logits[:, :-1].float()
    return F.cross_entropy(logits.flatten(0, 1), replies.flatten(), ignore_index=_IGNORED)

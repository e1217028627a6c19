"""Captions by a vision-language model in this process: any of transformers' image-text-to-text models.

The image itself is shown. The reply is held to the schema while it is generated (XGrammar), so that it is JSON of the
wanted entries unless it is cut off at ``max_reply_tokens``. Nothing leaves the machine.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline_steps.captions.backends.local import LocalParams
from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.captions.reports import compose_reports, read_report, stored_reply
from pipeline_steps.captions.schema import instruction, json_schema
from pipeline_steps.checkpoints.locations import commit_of
from pipeline_steps.checkpoints.provenance import weights_digest
from pipeline_steps.items.closure import code_version
from pipeline_steps.items.digests import remembered_digest
from pipeline_steps.items.store import item_key
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.stage.device import best_device
from pipeline_steps.stage.errors import DataError


def by_local_model(params: LocalParams, study: Study) -> Captioned:
    """Ask for a report on each image that has none yet, then compose the captions.

    Raises:
        DataError: the model can't be loaded or can't see, or too many replies are unusable.
    """
    images = open_dataset(study.dataset).images(study.rows["image_id"])
    instructions = [instruction(params.schema_name, c, params.reveal_condition) for c in study.rows["condition"]]
    commit = commit_of(params.location, params.revision)
    settings = params.model_dump(include={"schema_name", "dtype", "max_reply_tokens", "batch_size"})
    model = f"{params.location}@{commit}" if commit else _contents(Path(params.location))
    code = code_version(__name__)
    keys = [
        item_key("local report", code, image=image, instruction=text, model=model, **settings)
        for image, text in zip(images.digests, instructions, strict=True)
    ]
    reply: list[Callable[..., list[bytes]]] = []  # loaded when the first absent reply wants it

    def compute(batch: list[int]) -> list[bytes]:
        if not reply:
            reply.append(new_reporter(params))
        return reply[0]([Image.fromarray(images[i]) for i in batch], [instructions[i] for i in batch])

    values, use = study.store.get_or_compute(keys, compute, params.batch_size, "reports")
    return compose_reports(params, study, [read_report(params, value) for value in values], use)


def new_reporter(params: LocalParams) -> Callable[[Sequence[Image.Image], Sequence[str]], list[bytes]]:
    """A function from images and instructions to stored replies.

    Raises:
        DataError: the model or its processor can't be loaded, or it has no chat template.
    """
    import torch
    from xgrammar import GrammarCompiler, TokenizerInfo
    from xgrammar.contrib.hf import LogitsProcessor

    processor, model = _load(params)
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"  # replies begin where the prompts end
    size = model.config.get_text_config().vocab_size
    compiler = GrammarCompiler(TokenizerInfo.from_huggingface(tokenizer, vocab_size=size))
    schema = json.dumps(json_schema(params.schema_name, bounded=True))
    grammar = compiler.compile_json_schema(schema, any_whitespace=False)

    @torch.no_grad()
    def reply(images: Sequence[Image.Image], texts: Sequence[str]) -> list[bytes]:
        chats = [[{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}] for text in texts]
        prompts = [processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False) for chat in chats]
        given = processor(images=[[i] for i in images], text=prompts, padding=True, return_tensors="pt")
        given = given.to(model.device, model.dtype)
        made = model.generate(
            **given,
            do_sample=False,
            max_new_tokens=params.max_reply_tokens,
            logits_processor=[LogitsProcessor(grammar)],
            pad_token_id=tokenizer.pad_token_id,
        )[:, given["input_ids"].shape[1] :]
        ended = (made == tokenizer.eos_token_id).any(dim=1).tolist()
        replies = tokenizer.batch_decode(made, skip_special_tokens=True)
        return [stored_reply(text, "stop" if end else "length") for text, end in zip(replies, ended, strict=True)]

    return reply


def _contents(folder: Path) -> str:
    """A name for what a model in ``folder`` answers by: configuration, weights and chat template."""
    template = folder / "chat_template.jinja"
    return remembered_digest(weights_digest, folder) + (template.read_text("utf-8") if template.is_file() else "")


def _load(params: LocalParams) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    place = {"revision": commit} if (commit := commit_of(params.location, params.revision)) else {}
    device = best_device()
    try:
        processor = AutoProcessor.from_pretrained(params.location, **place)
        model = AutoModelForImageTextToText.from_pretrained(
            params.location, dtype=getattr(torch, params.dtype), use_safetensors=True, **place
        )
    except (OSError, ValueError) as error:
        raise DataError(
            f"vision-language model {params.location!r} can't be loaded ({type(error).__name__}); set the captioner's "
            "location to a local copy, or (gated models) accept the licence and run 'hf auth login'"
        ) from None
    if not getattr(processor, "chat_template", None):
        raise DataError(f"{params.location!r} has no chat template; choose an instruction-tuned vision-language model")
    return processor, model.eval().to(device)

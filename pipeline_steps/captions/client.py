"""Ask a vision-language model behind an OpenAI-compatible endpoint for a report on an image."""

import base64
from typing import Any

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion

from pipeline_steps.captions.reports import stored_reply
from pipeline_steps.captions.schema import json_schema
from pipeline_steps.items.paid import Service
from pipeline_steps.items.replies import Replies, ReplyKey
from pipeline_steps.parameters.captioners import BudgetParams, EndpointParams
from pipeline_steps.stage.errors import DataError

# Where servers that part a model's thinking from its answer put it: vLLM and SGLang (older and newer), Ollama.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")


def ask(service: Service, p: EndpointParams, paid: Replies, key: ReplyKey, asked: str, picture: bytes) -> str:
    """Store the reply under ``key``; empty, or why there is none after all attempts. ``picture``: a PNG file's bytes.

    Raises:
        DataError: the endpoint refuses the key or the request, or the budget is used up.
    """
    url = "data:image/png;base64," + base64.b64encode(picture).decode()
    content: Any = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": asked}]
    schema: Any = {"name": "report", "schema": json_schema(p.schema_name), "strict": True}
    structured: Any = {"response_format": {"type": "json_schema", "json_schema": schema}}

    def request(api: openai.OpenAI) -> ChatCompletion:
        return api.chat.completions.create(
            model=p.model,
            messages=[{"role": "user", "content": content}],
            temperature=p.temperature,
            max_tokens=p.max_reply_tokens,
            seed=p.seed,
            extra_body=p.extra_body or None,
            **(structured if p.structured == "json_schema" else {}),
        )

    try:
        reply = service.ask(request)
    except DataError as error:
        if "response_format" not in str(error):
            raise
        raise DataError(f"{error}; a server that takes no schema is asked with structured: prompt") from None
    if isinstance(reply, str):
        return reply
    if not reply.choices:  # an error that came with status 200: kept, it would be taken for the answer for ever
        return "no answer: a reply without choices"
    service.budget.pay(_price(p.budget, reply.usage))
    paid.put(key, _stored(reply))
    return ""


def _stored(reply: ChatCompletion) -> bytes:
    """What is kept of a reply; nothing that a server should send is taken for granted."""
    choice = reply.choices[0]
    message = getattr(choice, "message", None)
    said = [getattr(message, name, None) for name in ("content", *_THOUGHTS)]
    text, *thoughts = (value if isinstance(value, str) else "" for value in said)
    return stored_reply(text, choice.finish_reason, next(filter(None, thoughts), ""))


def _price(budget: BudgetParams, usage: CompletionUsage | None) -> float:
    if usage is None:
        return 0.0
    return (usage.prompt_tokens * budget.price_of_input + usage.completion_tokens * budget.price_of_output) / 1e6

"""Ask a vision-language model behind an OpenAI-compatible endpoint for a report on an image."""

import base64
from typing import Any

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion

from pipeline_steps.captions.endpoint import BudgetParams, EndpointParams
from pipeline_steps.captions.reports import stored_reply
from pipeline_steps.captions.schema import json_schema
from pipeline_steps.items.paid import Service
from pipeline_steps.items.store import ItemStore


def ask(service: Service, p: EndpointParams, store: ItemStore, key: str, asked: str, picture: bytes) -> str:
    """Store the reply under ``key``; empty, or why there is none after all attempts.

    Raises:
        DataError: the endpoint refuses the key or the request, or the budget is used up.
    """
    url = "data:image/png;base64," + base64.b64encode(picture).decode()
    schema: Any = {"name": "report", "schema": json_schema(p.schema_name), "strict": True}
    content: Any = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": asked}]

    def request(api: openai.OpenAI) -> ChatCompletion:
        return api.chat.completions.create(
            model=p.model,
            messages=[{"role": "user", "content": content}],
            response_format={"type": "json_schema", "json_schema": schema},
            temperature=p.temperature,
            max_tokens=p.max_reply_tokens,
            seed=p.seed,
        )

    reply = service.ask(request)
    if isinstance(reply, str):
        return reply
    service.budget.pay(_price(p.budget, reply.usage))
    choice = reply.choices[0] if reply.choices else None
    text = (choice.message.content or "") if choice else ""
    store.put(key, stored_reply(text, choice.finish_reason if choice else "nothing"))
    return ""


def _price(budget: BudgetParams, usage: CompletionUsage | None) -> float:
    if usage is None:
        return 0.0
    return (usage.prompt_tokens * budget.price_of_input + usage.completion_tokens * budget.price_of_output) / 1e6

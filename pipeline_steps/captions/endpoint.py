"""Captions by a vision-language model behind any OpenAI-compatible endpoint (vLLM, Ollama, hosted).

The image itself is sent. A reply is paid once: it is stored by pixels, instruction and model as soon as it is here,
before anything looks at it (``items.replies``). Nothing leaves the machine unless a captioner with this backend is in
the grid and its ``base_url`` is elsewhere. The key comes from the environment and is in no log, message, metric or
stored value.
"""

import base64
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion

from pipeline_steps.captions.backends.endpoint import BudgetParams, EndpointParams
from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.captions.reports import IN_REASONING, Report, compose_reports, read_report, stored_reply
from pipeline_steps.captions.schema import instruction, json_schema
from pipeline_steps.items.paid import Budget, Service, ServiceParams, connect
from pipeline_steps.items.replies import Replies, ReplyKey, server_of
from pipeline_steps.items.store import CacheStats, item_key
from pipeline_steps.pixels.images import Pixels, png_bytes
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.progress import Track

_CODE = "2"  # of stored replies; not the code's digest, for a reply that was paid stays good
# Where servers that part a model's thinking from its answer put it: vLLM and SGLang (older and newer), Ollama.
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True)
class _Question:
    """What is sent for one image: an instruction, and the image, which is read then."""

    instruction: str
    image: Callable[[], Pixels]


def by_endpoint(params: EndpointParams, study: Study) -> Captioned:
    """Ask for a report on each image that has none yet, then compose the captions.

    Raises:
        DataError: the key is missing or refused, the budget is used up, or too many replies are unusable.
    """
    instructions = [instruction(params.schema_name, c, params.reveal_condition) for c in study.rows["condition"]]
    images = open_dataset(study.dataset).images(study.rows["image_id"])
    keys = [_key(params, text, image) for text, image in zip(instructions, images.digests, strict=True)]
    todo = {
        key: _Question(instructions[i], partial(images.__getitem__, i))
        for i, key in enumerate(keys)
        if study.paid.get(key) is None
    }
    failures = _ask_all(params, study.paid, todo) if todo else {}
    read: dict[ReplyKey, Report] = {key: ({}, why) for key, why in failures.items()}
    read |= {key: read_report(params, stored) for key in {*keys} - {*failures} if (stored := study.paid.get(key))}
    reports = [read[key] for key in keys]
    made = compose_reports(params, study, reports, CacheStats(len(keys) - len(todo), len(todo)))
    return replace(made, counts={**made.counts, "replies_in_reasoning": sum(why == IN_REASONING for _, why in reports)})


def _ask_all(params: EndpointParams, paid: Replies, todo: Mapping[ReplyKey, _Question]) -> dict[ReplyKey, str]:
    """Ask and store; why no reply came, by key."""
    named = {name: getattr(params, name) for name in ServiceParams.model_fields}
    service = connect(ServiceParams(**named), Budget(params.budget.requests, params.budget.cost))
    with ThreadPoolExecutor(params.concurrency) as pool:
        jobs = {pool.submit(_ask, params, service, paid, key, question): key for key, question in todo.items()}
        try:
            return {jobs[job]: why for job in Track(as_completed(jobs), "reports", len(jobs)) if (why := job.result())}
        finally:
            pool.shutdown(cancel_futures=True)


def _ask(params: EndpointParams, service: Service, paid: Replies, key: ReplyKey, question: _Question) -> str:
    """Store the reply under ``key``; empty, or why there is none after all attempts.

    Raises:
        DataError: the endpoint refuses the key or the request, or the budget is used up.
    """
    messages = _messages(question)
    schema: Any = {"name": "report", "schema": json_schema(params.schema_name), "strict": True}
    structured: Any = {"response_format": {"type": "json_schema", "json_schema": schema}}

    def request(api: openai.OpenAI) -> ChatCompletion:
        return api.chat.completions.create(
            model=params.model,
            messages=messages,
            temperature=params.temperature,
            max_tokens=params.max_reply_tokens,
            seed=params.seed,
            extra_body=params.extra_body or None,
            **(structured if params.structured == "json_schema" else {}),
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
    service.budget.pay(_price(params.budget, reply.usage))
    paid.put(key, _stored(reply))
    return ""


def _messages(question: _Question) -> Any:
    url = "data:image/png;base64," + base64.b64encode(png_bytes(question.image())).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question.instruction}]
    return [{"role": "user", "content": content}]


def _stored(reply: ChatCompletion) -> bytes:
    """What is kept of a reply; nothing that a server should send is taken for granted."""
    choice = reply.choices[0]
    message = getattr(choice, "message", None)
    values = [getattr(message, name, None) for name in ("content", *_THOUGHTS)]
    text, *thoughts = (value if isinstance(value, str) else "" for value in values)
    return stored_reply(text, choice.finish_reason, next(filter(None, thoughts), ""))


def _price(budget: BudgetParams, usage: CompletionUsage | None) -> float:
    if usage is None:
        return 0.0
    return (usage.prompt_tokens * budget.price_of_input + usage.completion_tokens * budget.price_of_output) / 1e6


def _key(params: EndpointParams, instruction: str, image: str) -> ReplyKey:
    """``image`` is a digest of pixels, not of the bytes that are sent: another encoder would buy every reply again."""
    request = item_key(
        "report",
        _CODE,
        instruction=instruction,
        schema=json_schema(params.schema_name) if params.structured == "json_schema" else None,
        server=server_of(params.base_url),
        model=params.model,
        temperature=params.temperature,
        max_tokens=params.max_reply_tokens,
        seed=params.seed,
        extra=params.extra_body,
    )
    return ReplyKey(image, request)

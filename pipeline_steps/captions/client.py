"""Requests to an OpenAI-compatible endpoint: tried again when that can help, paid once, within a budget."""

import base64
import json
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipeline_steps.captions.endpoint import BudgetParams, EndpointParams
from pipeline_steps.captions.schema import json_schema
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.errors import DataError

_LONGEST_WAIT = 60.0  # seconds
_PASSING = (
    openai.APIConnectionError,  # timeouts are among them
    openai.RateLimitError,
    openai.InternalServerError,
    openai.APIResponseValidationError,
    json.JSONDecodeError,
)


@dataclass
class Budget:
    """The limits of one run and what it has used."""

    limits: BudgetParams
    sent: int = 0
    paid: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def take(self) -> None:
        """Count a request that is about to be sent.

        Raises:
            DataError: the budget is used up.
        """
        with self._lock:
            if self.sent >= self.limits.requests or self.paid >= self.limits.cost > 0:
                raise DataError(
                    f"the budget is used up: {self.sent} requests, cost {self.paid:.4f}; what was answered is kept, "
                    "so raise the captioner's budget and run again to go on"
                )
            self.sent += 1

    def pay(self, usage: CompletionUsage | None) -> None:
        """Add what a reply cost."""
        if usage is not None:
            price = usage.prompt_tokens * self.limits.price_of_input
            price += usage.completion_tokens * self.limits.price_of_output
            with self._lock:
                self.paid += price / 1e6


@dataclass(frozen=True)
class Client:
    """Asks, waits, tries again, pays; stores what came at once."""

    params: EndpointParams
    secret: str
    budget: Budget
    store: ItemStore
    api: openai.OpenAI

    def ask(self, key: str, asked: str, picture: bytes) -> str:
        """Store the reply under ``key``; empty, or why there is none after all attempts.

        Raises:
            DataError: the endpoint refuses the key or the request, or the budget is used up.
        """
        tries = Retrying(
            stop=stop_after_attempt(self.params.attempts),
            wait=_wait,
            retry=retry_if_exception_type(_PASSING),
            reraise=True,
        )
        try:
            reply = tries(self._request, asked, picture)
        except _PASSING as error:
            return f"no answer: {type(error).__name__}"
        except openai.APIError as error:
            said = str(error).replace(self.secret, "***") if self.secret else str(error)
            raise DataError(
                f"{self.params.base_url} refuses the request: {said[:300]}; check the captioner's model, base_url and "
                f"{self.params.key_variable or 'key_variable'}"
            ) from None
        self.budget.pay(reply.usage)
        choice = reply.choices[0] if reply.choices else None
        text = (choice.message.content or "") if choice else ""
        kept = {"text": text, "finish_reason": choice.finish_reason if choice else "nothing"}
        self.store.put(key, json.dumps(kept, sort_keys=True).encode())
        return ""

    def _request(self, asked: str, picture: bytes) -> ChatCompletion:
        self.budget.take()
        p = self.params
        url = "data:image/png;base64," + base64.b64encode(picture).decode()
        schema: Any = {"name": "report", "schema": json_schema(p.schema_name), "strict": True}
        content: Any = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": asked}]
        return self.api.chat.completions.create(
            model=p.model,
            messages=[{"role": "user", "content": content}],
            response_format={"type": "json_schema", "json_schema": schema},
            temperature=p.temperature,
            max_tokens=p.max_reply_tokens,
            seed=p.seed,
        )


def new_client(params: EndpointParams, secret: str, store: ItemStore) -> Client:
    """A client with a fresh budget; trying again is its own business, so that every request is counted."""
    api = openai.OpenAI(
        base_url=params.base_url, api_key=secret or "none", timeout=params.timeout_seconds, max_retries=0
    )
    return Client(params, secret, Budget(params.budget), store, api)


def _wait(state: RetryCallState) -> float:
    """What the server asks for (at most a minute), else exponential with jitter."""
    error = state.outcome.exception() if state.outcome else None
    after = error.response.headers.get("retry-after", "") if isinstance(error, openai.APIStatusError) else ""
    try:
        return min(float(after), _LONGEST_WAIT)
    except ValueError:
        return wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)(state)

"""Requests to a service behind the official OpenAI client: tried again when that can help, within a budget.

Who asks stores a reply (``items.replies``) before anything looks at it, so that none is paid twice.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from threading import Lock
from typing import TypeVar
from urllib.parse import urlsplit

import openai
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import Params

T = TypeVar("T")
_LONGEST_WAIT = 60.0  # seconds
_PASSING = (
    openai.APIConnectionError,  # timeouts are among them
    openai.RateLimitError,
    openai.InternalServerError,
    openai.APIResponseValidationError,
    json.JSONDecodeError,
)


class ServiceParams(Params):
    """Where a service is and how to ask it.

    ``key_variable`` names the environment variable that holds the key; empty for services without one.
    """

    base_url: str
    model: str
    key_variable: str
    timeout_seconds: float
    attempts: int
    concurrency: int


@dataclass
class Budget:
    """Limits of one run of a stage, and what it has used: ``requests``, retries included, and ``cost`` (0: none)."""

    requests: int
    cost: float
    sent: int = 0
    paid: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def take(self) -> None:
        """Count a request that is about to be sent.

        Raises:
            DataError: the budget is used up.
        """
        with self._lock:
            if self.sent >= self.requests or self.paid >= self.cost > 0:
                raise DataError(
                    f"the budget is used up: {self.sent} requests, cost {self.paid:.4f}; what was answered is kept, "
                    "so raise the budget and run again to go on"
                )
            self.sent += 1

    def pay(self, amount: float) -> None:
        """Add what a reply cost."""
        with self._lock:
            self.paid += amount


@dataclass(frozen=True)
class Service:
    """An open connection with its budget; trying again is its own business, so that every request is counted."""

    params: ServiceParams
    secret: str
    budget: Budget
    api: openai.OpenAI

    def ask(self, request: Callable[[openai.OpenAI], T]) -> T | str:
        """The reply to ``request``, or why there is none after all attempts.

        Raises:
            DataError: the service refuses the key or the request, or the budget is used up.
        """
        tries = Retrying(
            stop=stop_after_attempt(self.params.attempts),
            wait=_wait,
            retry=retry_if_exception_type(_PASSING),
            reraise=True,
        )
        try:
            return tries(self._counted, request)
        except _PASSING as error:
            return f"no answer: {type(error).__name__}"
        except openai.APIError as error:
            raise DataError(
                f"{self.params.base_url} refuses the request: {self._said(error)}; check model, base_url and "
                f"{self.params.key_variable or 'key_variable'}"
            ) from None

    def _said(self, error: openai.APIError) -> str:
        """What the service answered, without the key; the client shows bodies in OpenAI's own form alone."""
        said = str(error)
        if isinstance(error, openai.APIStatusError) and len(said) <= len(f"Error code: {error.status_code}"):
            said = f"{said}: {error.response.text}"
        return (said.replace(self.secret, "***") if self.secret else said)[:300]

    def _counted(self, request: Callable[[openai.OpenAI], T]) -> T:
        self.budget.take()
        return request(self.api)


def connect(params: ServiceParams, budget: Budget) -> Service:
    """A service with a fresh budget. What is on this machine is asked directly, whatever proxy the environment names.

    Raises:
        DataError: the environment variable of its key is not set.
    """
    secret = _secret(params)
    api = openai.OpenAI(
        base_url=params.base_url,
        api_key=secret or "none",
        timeout=params.timeout_seconds,
        max_retries=0,
        http_client=openai.DefaultHttpxClient(trust_env=False) if _is_here(params.base_url) else None,
    )
    return Service(params, secret, budget, api)


def _secret(params: ServiceParams) -> str:
    if not params.key_variable:
        return ""
    secret = os.environ.get(params.key_variable, "")
    if not secret:
        raise DataError(f"set the environment variable {params.key_variable} to the key of {params.base_url}")
    return secret


def _is_here(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wait(state: RetryCallState) -> float:
    """How long to wait: what the server asks for (at most a minute), else exponentially longer, with jitter."""
    error = state.outcome.exception() if state.outcome else None
    after = error.response.headers.get("retry-after", "") if isinstance(error, openai.APIStatusError) else ""
    try:
        return min(float(after), _LONGEST_WAIT)
    except ValueError:
        return wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)(state)

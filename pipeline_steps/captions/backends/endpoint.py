"""Captions by a vision-language model behind an OpenAI-compatible endpoint."""

from typing import Literal

from pydantic import JsonValue, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from pipeline_steps.captions.backends.backend import Backend
from pipeline_steps.parameters.bounds import NonEmpty, Seed
from pipeline_steps.parameters.captioners import ReportParams
from pipeline_steps.stage.params import Params

_OWN_FIELDS = {"model", "messages", "temperature", "max_tokens", "seed", "response_format", "stream", "n"}


class BudgetParams(Params):
    """Limits of one run of the stage: ``requests``, retries included, and ``cost`` (0: none) by tokens' prices.

    Prices are those of a million tokens, in whatever currency ``cost`` is meant.
    """

    requests: NonNegativeInt
    cost: NonNegativeFloat
    price_of_input: NonNegativeFloat
    price_of_output: NonNegativeFloat


class EndpointParams(ReportParams):
    """``key_variable`` names the environment variable that holds the key; empty for endpoints without one.

    ``structured``: ``json_schema`` sends the schema, so that the server holds the reply to it; ``prompt`` leaves it to
    the instruction, which gives it in words, for servers that take none. ``extra_body``: what else this server wants,
    sent along as it is.
    """

    backend: Literal["endpoint"]
    base_url: NonEmpty
    model: NonEmpty
    key_variable: str
    structured: Literal["json_schema", "prompt"]
    extra_body: dict[str, JsonValue]
    temperature: NonNegativeFloat
    max_reply_tokens: PositiveInt
    seed: Seed
    timeout_seconds: PositiveFloat
    attempts: PositiveInt
    concurrency: PositiveInt
    budget: BudgetParams

    @field_validator("extra_body")
    @classmethod
    def _replaces_no_parameter(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if replaced := sorted(_OWN_FIELDS & {*extra}):
            raise ValueError(f"{', '.join(replaced)} would replace what other parameters say")
        return extra


ENDPOINT = Backend(
    name="endpoint",
    params=EndpointParams,
    caption="pipeline_steps.captions.endpoint:by_endpoint",
    uses_device=False,
)

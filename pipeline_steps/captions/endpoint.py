"""Captions by a vision-language model behind any OpenAI-compatible endpoint (vLLM, Ollama, hosted).

The image itself is sent. A reply is paid once: it is stored by image bytes, instruction and model as soon as it is
here, before anything looks at it. Nothing leaves the machine unless a captioner with this backend is in the grid and
its ``base_url`` is elsewhere. The key comes from the environment and is in no log, message, metric or stored value.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Literal

from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.captions.reports import Report, ReportParams, compose_reports, read_report
from pipeline_steps.captions.schema import instruction, json_schema
from pipeline_steps.items.store import ItemStore, Use, item_key
from pipeline_steps.records.images import png_bytes
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.stage.params import Params
from pipeline_steps.stage.progress import Track

_CODE = "1"  # of stored replies; not the code's digest, for a reply that was paid stays good


class BudgetParams(Params):
    """Limits of one run of the stage: ``requests``, retries included, and ``cost`` (0: none) by tokens' prices.

    Prices are those of a million tokens, in whatever currency ``cost`` is meant.
    """

    requests: int
    cost: float
    price_of_input: float
    price_of_output: float


class EndpointParams(ReportParams):
    """``key_variable`` names the environment variable that holds the key; empty for endpoints without one."""

    backend: Literal["endpoint"]
    base_url: str
    model: str
    key_variable: str
    temperature: float
    max_reply_tokens: int
    seed: int
    timeout_seconds: float
    attempts: int
    concurrency: int
    budget: BudgetParams


def by_endpoint(params: EndpointParams, study: Study) -> Captioned:
    """Ask for a report on each image that has none yet, then compose the captions.

    Raises:
        DataError: the key is missing or refused, the budget is used up, or too many replies are unusable.
    """
    asked = [instruction(params.schema_name, c, params.reveal_condition) for c in study.rows["condition"]]
    pictures = [png_bytes(image) for image in open_dataset(study.dataset).images(study.rows["image_id"])]
    keys = [_key(params, text, picture) for text, picture in zip(asked, pictures, strict=True)]
    todo = {key: (asked[i], pictures[i]) for i, key in enumerate(keys) if study.store.get(key) is None}
    failures = _ask_all(params, study.store, todo) if todo else {}
    read: dict[str, Report] = {key: ({}, why) for key, why in failures.items()}
    read |= {key: read_report(params, stored) for key in {*keys} - {*failures} if (stored := study.store.get(key))}
    return compose_reports(params, study, [read[key] for key in keys], Use(len(keys) - len(todo), len(todo)))


def _ask_all(params: EndpointParams, store: ItemStore, todo: dict[str, tuple[str, bytes]]) -> dict[str, str]:
    """Ask and store; why no reply came, by key."""
    from pipeline_steps.captions.client import ask  # late: most captioners need no client
    from pipeline_steps.items.paid import Budget, ServiceParams, connect

    named = {name: getattr(params, name) for name in ServiceParams.model_fields}
    service = connect(ServiceParams(**named), Budget(params.budget.requests, params.budget.cost))
    with ThreadPoolExecutor(params.concurrency) as pool:
        jobs = {pool.submit(ask, service, params, store, key, *what): key for key, what in todo.items()}
        try:
            return {jobs[job]: why for job in Track(as_completed(jobs), "reports", len(jobs)) if (why := job.result())}
        finally:
            pool.shutdown(cancel_futures=True)


def _key(params: EndpointParams, asked: str, picture: bytes) -> str:
    return item_key(
        "report",
        _CODE,
        image=hashlib.sha256(picture).hexdigest(),
        instruction=asked,
        schema=json_schema(params.schema_name),
        model=params.model,
        temperature=params.temperature,
        max_tokens=params.max_reply_tokens,
        seed=params.seed,
    )

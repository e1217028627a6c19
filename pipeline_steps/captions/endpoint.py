"""Captions by a vision-language model behind any OpenAI-compatible endpoint (vLLM, Ollama, hosted).

The image itself is sent. A reply is paid once: it is stored by pixels, instruction and model as soon as it is here,
before anything looks at it (``items.replies``). Nothing leaves the machine unless a captioner with this backend is in
the grid and its ``base_url`` is elsewhere. The key comes from the environment and is in no log, message, metric or
stored value.
"""

from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.captions.reports import IN_REASONING, Report, compose_reports, read_report
from pipeline_steps.captions.schema import instruction, json_schema
from pipeline_steps.items.replies import Replies, ReplyKey, server_of
from pipeline_steps.items.store import CacheStats, item_key
from pipeline_steps.parameters.captioners import EndpointParams
from pipeline_steps.pixels.images import Pixels, digest, png_bytes
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.stage.progress import Track

_CODE = "2"  # of stored replies; not the code's digest, for a reply that was paid stays good


def by_endpoint(params: EndpointParams, study: Study) -> Captioned:
    """Ask for a report on each image that has none yet, then compose the captions.

    Raises:
        DataError: the key is missing or refused, the budget is used up, or too many replies are unusable.
    """
    asked = [instruction(params.schema_name, c, params.reveal_condition) for c in study.rows["condition"]]
    images = open_dataset(study.dataset).images(study.rows["image_id"])
    keys = [_key(params, text, image) for text, image in zip(asked, images, strict=True)]
    todo = {key: (asked[i], images[i]) for i, key in enumerate(keys) if study.paid.get(key) is None}
    failures = _ask_all(params, study.paid, todo) if todo else {}
    read: dict[ReplyKey, Report] = {key: ({}, why) for key, why in failures.items()}
    read |= {key: read_report(params, stored) for key in {*keys} - {*failures} if (stored := study.paid.get(key))}
    reports = [read[key] for key in keys]
    made = compose_reports(params, study, reports, CacheStats(len(keys) - len(todo), len(todo)))
    return replace(made, counts={**made.counts, "replies_in_reasoning": sum(why == IN_REASONING for _, why in reports)})


def _ask_all(params: EndpointParams, paid: Replies, todo: dict[ReplyKey, tuple[str, Pixels]]) -> dict[ReplyKey, str]:
    """Ask and store; why no reply came, by key."""
    from pipeline_steps.captions.client import ask  # late: most captioners need no client
    from pipeline_steps.items.paid import Budget, ServiceParams, connect

    named = {name: getattr(params, name) for name in ServiceParams.model_fields}
    service = connect(ServiceParams(**named), Budget(params.budget.requests, params.budget.cost))

    def one(key: ReplyKey, text: str, image: Pixels) -> str:
        return ask(service, params, paid, key, text, png_bytes(image))

    with ThreadPoolExecutor(params.concurrency) as pool:
        jobs = {pool.submit(one, key, *what): key for key, what in todo.items()}
        try:
            return {jobs[job]: why for job in Track(as_completed(jobs), "reports", len(jobs)) if (why := job.result())}
        finally:
            pool.shutdown(cancel_futures=True)


def _key(params: EndpointParams, asked: str, image: Pixels) -> ReplyKey:
    """Pixels, not the bytes that are sent: another version of the encoder would buy every reply again."""
    request = item_key(
        "report",
        _CODE,
        instruction=asked,
        schema=json_schema(params.schema_name) if params.structured == "json_schema" else None,
        server=server_of(params.base_url),
        model=params.model,
        temperature=params.temperature,
        max_tokens=params.max_reply_tokens,
        seed=params.seed,
        extra=params.extra_body,
    )
    return ReplyKey(digest(image), request)

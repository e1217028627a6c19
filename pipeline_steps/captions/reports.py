"""Captions from a model's reports: what both backends that ask a model share."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import ValidationError

from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.captions.compose import ComposedParams, compose_all
from pipeline_steps.captions.schema import SCHEMAS, report_model
from pipeline_steps.items.store import Use
from pipeline_steps.records.errors import DataError

Report = tuple[dict[str, str], str]  # the entries of a reply, or why there are none


class ReportParams(ComposedParams):
    """What to ask (``schema_name``; ``reveal_condition``: tell the model the diagnosis), and when to give up.

    Above ``most_failures``, the share of images without a usable report, the stage fails.
    """

    schema_name: Literal["dermaflux", "lesiongen", "marks"]
    reveal_condition: bool
    most_failures: float


def stored_reply(text: str, finish_reason: str) -> bytes:
    """A reply as the item store keeps it; ``finish_reason`` as OpenAI's: ``stop``, or ``length`` if it was cut off."""
    return json.dumps({"text": text, "finish_reason": finish_reason}).encode()


def read_report(params: ReportParams, stored: bytes) -> Report:
    """Check a stored reply against the schema."""
    kept = json.loads(stored)
    if kept["finish_reason"] == "length":
        return {}, "cut off at max_reply_tokens"
    try:
        report = report_model(params.schema_name).model_validate_json(kept["text"])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return {}, "not JSON" if first["type"] == "json_invalid" else f"{place}: {first['type']}".lstrip(": ")
    return {name: getattr(report, name) for name in SCHEMAS[params.schema_name]}, ""


def compose_reports(params: ReportParams, study: Study, reports: Sequence[Report], use: Use) -> Captioned:
    """Captions of all rows; those without a usable report get the plain one, and are counted by reason.

    Raises:
        DataError: too many reports are unusable.
    """
    reasons = Counter(why for _, why in reports if why)
    if reasons.total() > params.most_failures * len(reports):
        worst = ", ".join(f"{n} x {why}" for why, n in reasons.most_common(3))
        raise DataError(
            f"{reasons.total()} of {len(reports)} images have no usable report ({worst}); look at the endpoint and the "
            "model, or raise the captioner's most_failures"
        )
    made = compose_all(params, study, [concepts for concepts, _ in reports], use)
    return replace(made, counts={**made.counts, "unusable_replies": dict(sorted(reasons.items()))})

"""From a model's replies to captions: what the backends that ask a model share."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pydantic import ValidationError

from pipeline_steps.captions.captioner import Captioned, Study
from pipeline_steps.captions.compose import compose_all
from pipeline_steps.captions.schema import SCHEMAS, report_model
from pipeline_steps.items.store import CacheStats
from pipeline_steps.parameters.captioners import ReportParams
from pipeline_steps.stage.errors import DataError

# The entries of a reply and a note where they stood (empty: in its answer), or no entries and why there are none.
Report = tuple[dict[str, str], str]
IN_REASONING = "read in its reasoning"
_END_OF_THOUGHT = "</think>"  # within the answer, where a server does not separate the model's thinking from it
_STARTS = 200  # places in a text where an object is looked for, the last ones


def stored_reply(text: str, finish_reason: str, thought: str = "") -> bytes:
    """A reply as the stores keep it; ``finish_reason`` as OpenAI's: ``stop``, or ``length`` if it was cut off.

    ``thought``: the model's reasoning, where the server gives it separately.
    """
    kept = {"text": text, "finish_reason": finish_reason} | ({"thought": thought} if thought else {})
    return json.dumps(kept).encode()


def read_report(params: ReportParams, stored: bytes) -> Report:
    """Find the report in a stored reply: in its answer, or, where that is empty, in the model's reasoning.

    Code fences and words around the JSON object do not matter. Of several objects the last that fits the schema counts.
    """
    kept = json.loads(stored)
    within, ended, text = kept["text"].rpartition(_END_OF_THOUGHT)
    thought = kept.get("thought") or within
    if not ended and text.lstrip().startswith("<think>"):
        thought, text = text, ""
    cut_off, silent = kept["finish_reason"] == "length", not text.strip() and bool(thought)
    entries, why = _entries(params.schema_name, text)
    if entries:
        return entries, ""
    if cut_off:
        return {}, "cut off at max_reply_tokens" + (" while it reasoned" if silent else "")
    if silent:
        entries, _ = _entries(params.schema_name, thought)
        return entries, IN_REASONING if entries else "no answer beside its reasoning"
    return {}, why


def _entries(schema: str, text: str) -> tuple[dict[str, str], str]:
    """The last JSON object in ``text`` that fits the schema, or why there is none."""
    why = "not JSON"
    for found in reversed(_objects(text)):
        try:
            report = report_model(schema).model_validate(found)
        except ValidationError as error:
            if why == "not JSON":
                first = error.errors()[0]
                why = f"{'.'.join(map(str, first['loc']))}: {first['type']}".lstrip(": ")
        else:
            return {name: getattr(report, name) for name in SCHEMAS[schema]}, ""
    return {}, why


def _objects(text: str) -> list[dict[str, object]]:
    """The outermost JSON objects in ``text``, whatever stands between them."""
    starts = [i for i, letter in enumerate(text) if letter == "{"][-_STARTS:]
    found, end = [], 0
    for start in starts:
        if start >= end:
            try:
                made, end = json.JSONDecoder().raw_decode(text, start)
            except (ValueError, RecursionError):
                continue
            found.append(made)
    return found


def compose_reports(params: ReportParams, study: Study, reports: Sequence[Report], use: CacheStats) -> Captioned:
    """Captions of all rows; those without a usable report get the plain one, and are counted by reason.

    Raises:
        DataError: too many reports are unusable.
    """
    reasons = Counter(why for entries, why in reports if not entries)
    if reasons.total() > params.max_failure_fraction * len(reports):
        worst = ", ".join(f"{n} x {why}" for why, n in reasons.most_common(3))
        raise DataError(
            f"{reasons.total()} of {len(reports)} images have no usable report ({worst}); look at the endpoint and the "
            "model (docs/methods.md, Captions, says what helps a thinking one), or raise the captioner's "
            "max_failure_fraction"
        )
    made = compose_all(params, study, [concepts for concepts, _ in reports], use)
    return replace(made, counts={**made.counts, "unusable_replies": dict(sorted(reasons.items()))})

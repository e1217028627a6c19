"""What servers of language models send: reasoning, words around the answer, refusals; and one that is not ours."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pandas as pd
import pytest
from conftest import ROOT, whole
from data_sets import write_data_set
from language_model import REPORT, answer, caption, endpoint, serving, study_of
from pydantic import ValidationError
from server import until

from pipeline_steps.captions.backends.local import LocalParams
from pipeline_steps.captions.captioner import Study
from pipeline_steps.captions.local import by_local_model
from pipeline_steps.datasets.phantom.render import render_marks
from pipeline_steps.items.replies import Replies
from pipeline_steps.items.store import ItemStore
from pipeline_steps.stage.errors import DataError


@pytest.fixture
def serve():
    with serving() as start:
        yield start


@pytest.mark.parametrize("where", ["reasoning_content", "reasoning", "thinking"])
def test_a_report_that_stands_in_the_reasoning_alone_is_read_and_counted(tmp_path, serve, where):
    thought = f'Perhaps {{"colour": "blue"}}. No: {json.dumps(REPORT)} it is.'
    model = serve(lambda _n, _image: answer(None, **{where: thought}))
    study, _ = study_of(tmp_path, 2)
    made = caption(endpoint(model.url, max_failure_fraction=1.0), study)
    assert made.captions == ["{token}: red, sharp border, on {level} skin"] * 2
    assert (made.counts["unusable_replies"], made.counts["replies_in_reasoning"]) == ({}, 2)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (answer("", reasoning_content="A red patch."), "no answer beside its reasoning"),
        (answer("", "length", thinking="A red"), "cut off at max_reply_tokens while it reasoned"),
        (answer("<think>A red", "length"), "cut off at max_reply_tokens while it reasoned"),
        (answer("<think>A red patch.</think>\n"), "no answer beside its reasoning"),
        (answer("", "length", reasoning=json.dumps(REPORT)), "cut off at max_reply_tokens while it reasoned"),
        (answer(None, reasoning_content=7), "not JSON"),
        ((200, {}, {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [{}]}), "not JSON"),
        (answer('{"a":' * 3000), "not JSON"),
        (answer("[" * 100_000 + "{" * 100_000), "not JSON"),
        (answer({**REPORT, "colour": "\ud800"}), "colour: string_unicode"),
    ],
)
def test_a_model_that_thinks_and_does_not_answer_has_a_reason_of_its_own(tmp_path, serve, reply, why):
    model = serve(lambda _n, _image: reply)
    study, _ = study_of(tmp_path, 2)
    made = caption(endpoint(model.url, max_failure_fraction=1.0), study)
    assert (made.counts["unusable_replies"], made.counts["replies_in_reasoning"]) == ({why: 2}, 0)


@pytest.mark.parametrize("structured", ["prompt", "json_schema"])
@pytest.mark.parametrize(
    "said",
    [
        f"```json\n{json.dumps(REPORT, indent=2)}\n```",
        f"Here it is: {json.dumps(REPORT)} I hope that helps {{you}}.",
        f"<think>{json.dumps({**REPORT, 'colour': 'blue'})}</think>{json.dumps(REPORT)}",
        f"The form is {json.dumps(dict.fromkeys(REPORT, 1))}, so: {json.dumps(REPORT)}",
    ],
)
def test_words_around_the_object_do_not_matter(tmp_path, serve, said, structured):
    model = serve(lambda _n, _image: answer(said))
    study, _ = study_of(tmp_path, 2)
    made = caption(endpoint(model.url, structured=structured, max_failure_fraction=1.0), study)
    assert made.counts["unusable_replies"] == {}
    assert made.captions == ["{token}: red, sharp border, on {level} skin"] * 2
    assert [("response_format" in body) for body, _ in model.bodies] == [structured == "json_schema"] * 2


def test_a_server_that_refuses_schemas_is_named_with_the_remedy(tmp_path, serve):
    refusal = {"detail": "Unexpected fields in the request: {'response_format'}"}
    model = serve(lambda n, _image: (422, {}, refusal) if "response_format" in model.bodies[n][0] else answer(REPORT))
    study, _ = study_of(tmp_path, 2)
    with pytest.raises(DataError, match=r"response_format.*structured: prompt"):
        caption(endpoint(model.url, concurrency=1), study)
    made = caption(endpoint(model.url, structured="prompt", concurrency=1), study)
    assert made.counts["unusable_replies"] == {}


def test_what_else_a_server_wants_is_sent_along_and_belongs_to_the_request(tmp_path, serve):
    model = serve(lambda _n, _image: answer(REPORT))
    study, _ = study_of(tmp_path, 2)
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 1}
    caption(endpoint(model.url, extra_body=extra), study)
    assert [{name: body.get(name) for name in extra} for body, _ in model.bodies] == [extra] * 2
    caption(endpoint(model.url), study)
    assert model.requests == 4, "another request, other replies"
    with pytest.raises(ValidationError, match="model would replace what other parameters say"):
        endpoint(model.url, extra_body={"model": "another"})


def test_an_endpoint_on_this_machine_is_asked_directly(tmp_path, serve, monkeypatch):
    """Through a proxy, photographs would leave the machine, or nothing would answer."""
    proxy = serve(lambda _n, _image: (502, {}, {}))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    model = serve(lambda _n, _image: answer(REPORT))
    study, _ = study_of(tmp_path, 2)
    for url in (model.url, model.url.replace("127.0.0.1", "localhost")):
        made = caption(endpoint(url, attempts=1, model=url, max_failure_fraction=1.0), study)
        assert made.counts["unusable_replies"] == {}
    assert (model.requests, proxy.requests) == (4, 0)


_SAME = ("schema_name", "reveal_condition", "max_reply_tokens", "text", "plain", "phrases", "tokenizer", "level_words")


def _marks(folder):
    """A study of six images with marks, one on each skin type."""
    rows = pd.DataFrame({"image_id": [f"i{k}" for k in range(6)], "condition": "psoriasis"})
    write_data_set(folder, rows, [render_marks(1 + k, 990_000 + k).image for k in range(6)])
    return Study(rows, folder, ItemStore(folder / "items"), Replies(folder / "paid"))


@pytest.mark.slow
def test_a_server_that_none_of_us_wrote_answers(tmp_path):
    """``transformers serve`` with the shipped captioner: the reports are those of the same model in this process."""
    given = whole()["captioners"]
    folder = ROOT / "models/base/phantom-captioner"
    study = _marks(tmp_path)
    here = by_local_model(LocalParams.model_validate(given["reports_phantom"] | {"location": str(folder)}), study)
    shared = {name: given["reports_phantom"][name] for name in _SAME}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", folder, "--port", port, "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen([*map(str, command), "--dtype", "float32"], env=environment, stdout=log, stderr=log)
    try:
        until(lambda: server.poll() is None and _answers(port))
        for structured in ("prompt", "json_schema"):  # it leaves a schema unread
            asked = endpoint(f"http://127.0.0.1:{port}/v1", **shared, model=str(folder), structured=structured)
            asked = asked.model_copy(
                update={"schema_name": "marks", "reveal_condition": False, "timeout_seconds": 120.0}
            )
            made = caption(asked, study)
            assert made.counts["unusable_replies"] == {}, (tmp_path / "server.log").read_text()
            assert made.captions == here.captions
    finally:
        server.terminate()
        server.wait()


def _answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success
    except httpx.HTTPError:
        return False

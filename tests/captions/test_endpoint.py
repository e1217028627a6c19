"""Captions from a model behind a real HTTP server on loopback that misbehaves."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, whole
from PIL import Image
from pydantic import ValidationError
from server import until

from pipeline_steps import caption as stage
from pipeline_steps.captions.backends.endpoint import EndpointParams
from pipeline_steps.captions.backends.local import LocalParams
from pipeline_steps.captions.captioner import Study
from pipeline_steps.captions.local import by_local_model
from pipeline_steps.captions.schema import SCHEMAS
from pipeline_steps.datasets.phantom.render import render_marks
from pipeline_steps.items.replies import Replies
from pipeline_steps.items.store import ItemStore, default_store
from pipeline_steps.pixels.images import digest
from pipeline_steps.stage.errors import DataError

REPORT = {"asymmetry": "symmetric", "border": "sharp border", "colour": "red"}
SECRET = "sk-very-secret"


class Model:
    """A server that answers with what ``say(number of the request, image bytes)`` gives: status, headers, body."""

    def __init__(self, say):
        self.requests, self.images, self.bodies, self.lock = 0, Counter(), [], threading.Lock()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                url = body["messages"][0]["content"][0]["image_url"]["url"]
                image = base64.b64decode(url.removeprefix("data:image/png;base64,"))
                with model.lock:
                    number = model.requests
                    model.requests += 1
                    model.images[image] += 1
                    model.bodies.append((body, dict(self.headers)))
                status, headers, reply = say(number, image)
                raw = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                try:
                    self.send_response(status)
                    for name, value in {"Content-Type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(raw)))
                    self.end_headers()
                    self.wfile.write(raw)
                except OSError:
                    pass  # the client was killed or lost patience

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    made = []

    def start(say):
        made.append(Model(say))
        return made[-1]

    yield start
    for model in made:
        model.close()


def _answer(content, finish="stop", **beside):
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    message = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **beside}}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    return (
        200,
        {},
        {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [message]} | {"usage": usage},
    )


def _study(folder, n=6):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"image_id": [f"i{k}" for k in range(n)], "row": range(n), "has_mask": False})
    rows["condition"] = ["psoriasis", "folliculitis"] * (n // 2)
    rows.to_parquet(folder / "manifest.parquet")
    pixels = rng.integers(0, 255, (n, 16, 16, 3), dtype=np.uint8)
    np.save(folder / "pixels.npy", pixels)
    np.save(folder / "masks.npy", np.zeros((n, 16, 16), bool))
    return Study(rows, folder, ItemStore(folder / "items"), Replies(folder / "paid")), pixels


def caption(params, study):
    """The stage on a study of all skin types."""
    return stage.caption(params, study, list("123456"))


def _params(url, **changes):
    values = {
        "backend": "endpoint",
        "base_url": url,
        "model": "vlm",
        "key_variable": "",
        "structured": "json_schema",
        "extra_body": {},
        "schema_name": "dermaflux",
        "reveal_condition": True,
        "temperature": 0.0,
        "max_reply_tokens": 200,
        "seed": 0,
        "timeout_seconds": 5.0,
        "attempts": 4,
        "concurrency": 2,
        "budget": {"requests": 100, "cost": 0.0, "price_of_input": 1.0, "price_of_output": 10.0},
        "max_failure_fraction": 0.5,
        "text": "{token}: {concepts}, on {level} skin",
        "plain": "{token}, on {level} skin",
        "phrases": {"colour": "{value}", "border": "{value}"},
        "tokenizer": {
            "location": str(ROOT / "models/base/phantom-sd"),
            "subfolder": "tokenizer",
            "revision": None,
            "max_tokens": 64,
            "short": None,
        },
        "level_words": {t: f"tone {t}" for t in range(1, 7)},
    }
    return EndpointParams.model_validate(values | changes)


def test_the_image_itself_is_sent_and_a_reply_is_paid_once(tmp_path, serve):
    model = serve(lambda _n, _image: _answer(REPORT))
    study, pixels = _study(tmp_path)
    made = caption(_params(model.url), study)
    assert made.captions == ["{token}: red, sharp border, on {level} skin"] * 6
    assert made.counts["unusable_replies"] == {}
    sent = {np.asarray(Image.open(io.BytesIO(image))).tobytes() for image in model.images}
    assert sent == {image.tobytes() for image in pixels}
    body, _ = model.bodies[0]
    asked = {body["messages"][0]["content"][1]["text"] for body, _ in model.bodies}
    assert {condition for condition in study.rows["condition"] if any(condition in text for text in asked)} == {
        "psoriasis",
        "folliculitis",
    }
    assert set(body["response_format"]["json_schema"]["schema"]["required"]) == set(SCHEMAS["dermaflux"])
    assert caption(_params(model.url), study).captions == made.captions
    assert model.requests == 6
    caption(_params(model.url, model="another"), study)
    assert model.requests == 12


def test_what_passes_is_tried_again(tmp_path, serve):
    """429 with Retry-After, 500, a body that is no JSON, and an answer that comes too late."""
    trouble = [(429, {"Retry-After": "0"}, {}), (500, {}, {}), (200, {}, b"<html>")]

    def say(number, _image):
        if number < 3:
            return trouble[number]
        if number == 3:
            time.sleep(1.5)
        return _answer(REPORT)

    model = serve(say)
    study, _ = _study(tmp_path, 2)
    made = caption(_params(model.url, concurrency=1, attempts=5, timeout_seconds=0.7), study)
    assert made.counts["unusable_replies"] == {}
    assert model.requests == 4 + 2


def test_what_never_passes_is_counted_and_asked_again_next_time(tmp_path, serve):
    down = [True]
    model = serve(lambda _n, _image: (503, {"Retry-After": "0"}, {}) if down else _answer(REPORT))
    study, _ = _study(tmp_path, 2)
    made = caption(_params(model.url, attempts=2, max_failure_fraction=1.0), study)
    assert made.counts["unusable_replies"] == {"no answer: InternalServerError": 2}
    assert made.captions == ["{token}, on {level} skin"] * 2
    assert model.requests == 4
    down.clear()
    assert caption(_params(model.url), study).counts["unusable_replies"] == {}


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (_answer('{"asymmetry": "symm', "length"), "cut off at max_reply_tokens"),
        (_answer("A red patch."), "not JSON"),
        (_answer({"asymmetry": "a", "border": "b"}), "colour: missing"),
        (_answer(REPORT | {"diagnosis": "psoriasis"}), "diagnosis: extra_forbidden"),
        (_answer(REPORT | {"colour": "{level} red"}), "colour: string_pattern_mismatch"),
        (_answer(REPORT | {"colour": "red " * 99}), "colour: string_too_long"),
        (_answer(""), "not JSON"),
    ],
)
def test_unusable_replies_are_counted_by_reason_and_not_paid_again(tmp_path, serve, reply, why):
    model = serve(lambda number, _image: reply if number == 0 else _answer(REPORT))
    study, _ = _study(tmp_path, 2)
    made = caption(_params(model.url, concurrency=1), study)
    assert made.counts["unusable_replies"] == {why: 1}
    assert made.counts["without_concepts"] == 1
    assert min(made.captions) == "{token}, on {level} skin"
    assert caption(_params(model.url), study).captions == made.captions
    assert model.requests == 2
    with pytest.raises(DataError, match=r"1 of 2 images have no usable report \(1 x "):
        caption(_params(model.url, max_failure_fraction=0.4), study)


def test_a_refused_key_is_one_clear_error_and_the_key_stays_secret(tmp_path, serve, monkeypatch, capfd):
    model = serve(lambda _n, _image: (401, {}, {"error": {"message": f"Incorrect API key provided: {SECRET}"}}))
    study, _ = _study(tmp_path, 2)
    with pytest.raises(DataError, match="set the environment variable EQUIDERM_TEST_KEY"):
        caption(_params(model.url, key_variable="EQUIDERM_TEST_KEY"), study)
    monkeypatch.setenv("EQUIDERM_TEST_KEY", SECRET)
    with pytest.raises(DataError, match=r"refuses the request.*\*\*\*.*EQUIDERM_TEST_KEY") as refused:
        caption(_params(model.url, key_variable="EQUIDERM_TEST_KEY"), study)
    assert {name.lower(): v for name, v in model.bodies[0][1].items()}["authorization"] == f"Bearer {SECRET}"
    assert model.requests <= 2, "a refusal was tried again"
    shown = capfd.readouterr()
    stored = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert SECRET not in str(refused.value) + shown.out + shown.err
    assert SECRET.encode() not in stored


@pytest.mark.parametrize("limit", [{"requests": 3}, {"cost": 0.005}])
def test_a_used_up_budget_stops_and_keeps_what_was_paid(tmp_path, serve, limit):
    """A reply costs (1000 x 1 + 100 x 10) / 1e6 = 0.002; the third brings the cost above 0.005."""
    model = serve(lambda _n, _image: _answer(REPORT))
    study, _ = _study(tmp_path)
    most = {"requests": 100, "cost": 0.0, "price_of_input": 1.0, "price_of_output": 10.0}
    with pytest.raises(DataError, match="the budget is used up: 3 requests"):
        caption(_params(model.url, concurrency=1, budget=most | limit), study)
    assert model.requests == 3
    made = caption(_params(model.url), study)
    assert (made.use.reused, made.use.computed, model.requests) == (3, 3, 6)


def test_a_killed_run_pays_nothing_twice(tmp_path, serve):
    """Killed while two requests wait for their reply: what came before is kept, whatever else the kill left behind."""
    killed = threading.Event()

    def say(number, _image):
        if number >= 5:
            killed.wait(60)
        return _answer(REPORT)

    model = serve(say)
    study, _ = _study(tmp_path, 12)
    params = _params(model.url, timeout_seconds=60.0)
    code = (
        "import ast, sys, pandas as pd\nfrom pathlib import Path\nsys.path[:0] = ['tests', 'tests/captions']\n"
        "from test_endpoint import *\nfolder = Path(sys.argv[1])\n"
        "rows = pd.read_parquet(folder / 'manifest.parquet')\n"
        "study = Study(rows, folder, ItemStore(folder / 'items'), Replies(folder / 'paid'))\n"
        "caption(EndpointParams.model_validate(ast.literal_eval(sys.argv[2])), study)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), repr(params.model_dump())]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    while model.requests < 7:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed.set()
    made = caption(params, study)
    assert made.use.reused == 5
    assert model.requests == 12 + params.concurrency, "only what was on its way is asked again"
    assert made.counts["unusable_replies"] == {}


def test_no_trimming_and_no_new_version_of_the_encoder_buys_a_reply_again(tmp_path, serve, monkeypatch):
    """As an update of Pillow would: the same pixels in other bytes."""
    monkeypatch.setenv("EQUIDERM_ITEMS", str(tmp_path / "items"))
    monkeypatch.setenv("EQUIDERM_ITEMS_GIB", "0")
    model = serve(lambda _n, _image: _answer(REPORT))
    study, pixels = _study(tmp_path)
    made = caption(_params(model.url), study)
    default_store()  # every stage trims the store when it begins

    def encoded(image):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG", compress_level=0)
        return buffer.getvalue()

    monkeypatch.setattr("pipeline_steps.captions.endpoint.png_bytes", encoded)
    assert caption(_params(model.url), study).captions == made.captions
    assert model.requests == 6
    folders = {tmp_path / "paid" / name[:2] / name for name in map(digest, pixels)}
    assert {f.parent for f in (tmp_path / "paid").glob("*/*/*")} == folders, "all that was bought for an image"


def test_a_damaged_reply_is_said_set_aside_within_its_image_and_bought_again(tmp_path, serve, capsys):
    model = serve(lambda _n, _image: _answer(REPORT))
    study, pixels = _study(tmp_path, 2)
    made = caption(_params(model.url), study)
    (kept,) = (tmp_path / "paid" / digest(pixels[0])[:2] / digest(pixels[0])).iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert caption(_params(model.url), study).captions == made.captions
    assert model.requests == 3
    assert f"{kept} was damaged and is bought again" in capsys.readouterr().out
    assert {f.name for f in kept.parent.iterdir()} == {kept.name, f"{kept.name}.damaged"}


@pytest.mark.parametrize("where", ["reasoning_content", "reasoning", "thinking"])
def test_a_report_that_stands_in_the_reasoning_alone_is_read_and_counted(tmp_path, serve, where):
    thought = f'Perhaps {{"colour": "blue"}}. No: {json.dumps(REPORT)} it is.'
    model = serve(lambda _n, _image: _answer(None, **{where: thought}))
    study, _ = _study(tmp_path, 2)
    made = caption(_params(model.url, max_failure_fraction=1.0), study)
    assert made.captions == ["{token}: red, sharp border, on {level} skin"] * 2
    assert (made.counts["unusable_replies"], made.counts["replies_in_reasoning"]) == ({}, 2)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (_answer("", reasoning_content="A red patch."), "no answer beside its reasoning"),
        (_answer("", "length", thinking="A red"), "cut off at max_reply_tokens while it reasoned"),
        (_answer("<think>A red", "length"), "cut off at max_reply_tokens while it reasoned"),
        (_answer("<think>A red patch.</think>\n"), "no answer beside its reasoning"),
        (_answer("", "length", reasoning=json.dumps(REPORT)), "cut off at max_reply_tokens while it reasoned"),
        (_answer(None, reasoning_content=7), "not JSON"),
        ((200, {}, {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [{}]}), "not JSON"),
        (_answer('{"a":' * 3000), "not JSON"),
        (_answer("[" * 100_000 + "{" * 100_000), "not JSON"),
        (_answer({**REPORT, "colour": "\ud800"}), "colour: string_unicode"),
    ],
)
def test_a_model_that_thinks_and_does_not_answer_has_a_reason_of_its_own(tmp_path, serve, reply, why):
    model = serve(lambda _n, _image: reply)
    study, _ = _study(tmp_path, 2)
    made = caption(_params(model.url, max_failure_fraction=1.0), study)
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
    model = serve(lambda _n, _image: _answer(said))
    study, _ = _study(tmp_path, 2)
    made = caption(_params(model.url, structured=structured, max_failure_fraction=1.0), study)
    assert made.counts["unusable_replies"] == {}
    assert made.captions == ["{token}: red, sharp border, on {level} skin"] * 2
    assert [("response_format" in body) for body, _ in model.bodies] == [structured == "json_schema"] * 2


def test_a_server_that_refuses_schemas_is_named_with_the_remedy(tmp_path, serve):
    refusal = {"detail": "Unexpected fields in the request: {'response_format'}"}
    model = serve(lambda n, _image: (422, {}, refusal) if "response_format" in model.bodies[n][0] else _answer(REPORT))
    study, _ = _study(tmp_path, 2)
    with pytest.raises(DataError, match=r"response_format.*structured: prompt"):
        caption(_params(model.url, concurrency=1), study)
    made = caption(_params(model.url, structured="prompt", concurrency=1), study)
    assert made.counts["unusable_replies"] == {}


def test_what_else_a_server_wants_is_sent_along_and_belongs_to_the_request(tmp_path, serve):
    model = serve(lambda _n, _image: _answer(REPORT))
    study, _ = _study(tmp_path, 2)
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 1}
    caption(_params(model.url, extra_body=extra), study)
    assert [{name: body.get(name) for name in extra} for body, _ in model.bodies] == [extra] * 2
    caption(_params(model.url), study)
    assert model.requests == 4, "another request, other replies"
    with pytest.raises(ValidationError, match="model would replace what other parameters say"):
        _params(model.url, extra_body={"model": "another"})


def test_an_endpoint_on_this_machine_is_asked_directly(tmp_path, serve, monkeypatch):
    """Through a proxy, photographs would leave the machine, or nothing would answer."""
    proxy = serve(lambda _n, _image: (502, {}, {}))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    model = serve(lambda _n, _image: _answer(REPORT))
    study, _ = _study(tmp_path, 2)
    for url in (model.url, model.url.replace("127.0.0.1", "localhost")):
        made = caption(_params(url, attempts=1, model=url, max_failure_fraction=1.0), study)
        assert made.counts["unusable_replies"] == {}
    assert (model.requests, proxy.requests) == (4, 0)


@pytest.mark.slow
def test_a_server_that_none_of_us_wrote_answers(tmp_path):
    """``transformers serve`` with the shipped captioner: the reports are those of the same model in this process."""
    given = whole()["captioners"]
    folder = ROOT / "models/base/phantom-captioner"
    rows = pd.DataFrame({"image_id": [f"i{k}" for k in range(6)], "row": range(6), "has_mask": False})
    rows["condition"] = "psoriasis"
    rows.to_parquet(tmp_path / "manifest.parquet")
    np.save(tmp_path / "pixels.npy", np.stack([render_marks(1 + k, 990_000 + k).image for k in range(6)]))
    np.save(tmp_path / "masks.npy", np.zeros((6, 64, 64), bool))
    study = Study(rows, tmp_path, ItemStore(tmp_path / "items"), Replies(tmp_path / "paid"))
    here = by_local_model(LocalParams.model_validate(given["reports_phantom"] | {"location": str(folder)}), study)
    same = (
        "schema_name",
        "reveal_condition",
        "max_reply_tokens",
        "text",
        "plain",
        "phrases",
        "tokenizer",
        "level_words",
    )
    shared = {name: given["reports_phantom"][name] for name in same}
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
            asked = _params(f"http://127.0.0.1:{port}/v1", **shared, model=str(folder), structured=structured)
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

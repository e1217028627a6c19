"""Captions from a model behind a real HTTP server on loopback that misbehaves."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image

from pipeline_steps.caption import caption
from pipeline_steps.captions.captioner import Study
from pipeline_steps.captions.endpoint import EndpointParams
from pipeline_steps.captions.schema import SCHEMAS
from pipeline_steps.items.store import ItemStore
from pipeline_steps.records.errors import DataError

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


def _answer(content, finish="stop"):
    text = content if isinstance(content, str) else json.dumps(content)
    message = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
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
    return Study(rows, folder, ItemStore(folder / "items")), pixels


def _params(url, **changes):
    values = {
        "backend": "endpoint",
        "base_url": url,
        "model": "vlm",
        "key_variable": "",
        "schema_name": "dermaflux",
        "reveal_condition": True,
        "temperature": 0.0,
        "max_reply_tokens": 200,
        "seed": 0,
        "timeout_seconds": 5.0,
        "attempts": 4,
        "concurrency": 2,
        "budget": {"requests": 100, "cost": 0.0, "price_of_input": 1.0, "price_of_output": 10.0},
        "most_failures": 0.5,
        "text": "{token}: {concepts}, on {tone} skin",
        "plain": "{token}, on {tone} skin",
        "phrases": {"colour": "{value}", "border": "{value}"},
        "tokenizer": {
            "location": str(ROOT / "models/base/phantom-sd"),
            "subfolder": "tokenizer",
            "revision": None,
            "max_tokens": 64,
            "short": None,
        },
        "tones": {t: f"tone {t}" for t in range(1, 7)},
    }
    return EndpointParams.model_validate(values | changes)


def test_the_image_itself_is_sent_and_a_reply_is_paid_once(tmp_path, serve):
    model = serve(lambda _n, _image: _answer(REPORT))
    study, pixels = _study(tmp_path)
    made = caption(_params(model.url), study)
    assert made.captions == ["{token}: red, sharp border, on {tone} skin"] * 6
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
    made = caption(_params(model.url, attempts=2, most_failures=1.0), study)
    assert made.counts["unusable_replies"] == {"no answer: InternalServerError": 2}
    assert made.captions == ["{token}, on {tone} skin"] * 2
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
        (_answer(REPORT | {"colour": "{tone} red"}), "colour: string_pattern_mismatch"),
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
    assert min(made.captions) == "{token}, on {tone} skin"
    assert caption(_params(model.url), study).captions == made.captions
    assert model.requests == 2
    with pytest.raises(DataError, match=r"1 of 2 images have no usable report \(1 x "):
        caption(_params(model.url, most_failures=0.4), study)


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
    def say(_number, _image):
        time.sleep(0.15)
        return _answer(REPORT)

    model = serve(say)
    study, _ = _study(tmp_path, 12)
    params = _params(model.url)
    code = (
        "import sys, pandas as pd\nfrom pathlib import Path\nsys.path.insert(0, 'tests')\n"
        "from test_endpoint import *\nfolder = Path(sys.argv[1])\n"
        "study = Study(pd.read_parquet(folder / 'manifest.parquet'), folder, ItemStore(folder / 'items'))\n"
        "caption(EndpointParams.model_validate_json(sys.argv[2]), study)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), params.model_dump_json()]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    while model.requests < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    known = len(list((tmp_path / "items").glob("??/*")))
    made = caption(params, study)
    assert made.use.reused == known >= 3
    assert model.requests <= 12 + params.concurrency, "only what was on its way may be asked again"
    assert made.counts["unusable_replies"] == {}

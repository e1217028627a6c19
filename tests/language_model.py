"""A vision-language model behind a real HTTP server on loopback, and a study whose images it is asked about."""

import base64
import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
from conftest import ROOT
from data_sets import write_data_set

from pipeline_steps import caption as stage
from pipeline_steps.captions.backends.endpoint import EndpointParams
from pipeline_steps.captions.captioner import Study
from pipeline_steps.items.replies import Replies
from pipeline_steps.items.store import ItemStore

REPORT = {"asymmetry": "symmetric", "border": "sharp border", "colour": "red"}


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


@contextmanager
def serving():
    """A function that starts a ``Model``; all are closed in the end."""
    made = []

    def start(say):
        made.append(Model(say))
        return made[-1]

    try:
        yield start
    finally:
        for model in made:
            model.close()


def answer(content, finish="stop", **beside):
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    message = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **beside}}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    return (
        200,
        {},
        {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [message]} | {"usage": usage},
    )


def study_of(folder, n=6):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"image_id": [f"i{k}" for k in range(n)]})
    rows["condition"] = ["psoriasis", "folliculitis"] * (n // 2)
    pixels = rng.integers(0, 255, (n, 16, 16, 3), dtype=np.uint8)
    write_data_set(folder, rows, pixels)
    return Study(rows, folder, ItemStore(folder / "items"), Replies(folder / "paid")), pixels


def caption(params, study):
    """The stage on a study of all skin types."""
    return stage.caption(params, study, list("123456"))


def endpoint(url, **changes):
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

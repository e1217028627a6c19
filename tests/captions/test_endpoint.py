"""Captions from a model behind a real HTTP server on loopback that misbehaves: what is paid is paid once."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import ROOT
from language_model import REPORT, answer, caption, endpoint, serving, study_of
from PIL import Image

from pipeline_steps.captions.schema import SCHEMAS
from pipeline_steps.items.store import default_store
from pipeline_steps.pixels.images import digest
from pipeline_steps.stage.errors import DataError

SECRET = "sk-very-secret"


@pytest.fixture
def serve():
    with serving() as start:
        yield start


def test_the_image_itself_is_sent_and_a_reply_is_paid_once(tmp_path, serve):
    model = serve(lambda _n, _image: answer(REPORT))
    study, pixels = study_of(tmp_path)
    made = caption(endpoint(model.url), study)
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
    assert caption(endpoint(model.url), study).captions == made.captions
    assert model.requests == 6
    caption(endpoint(model.url, model="another"), study)
    assert model.requests == 12


def test_what_passes_is_tried_again(tmp_path, serve):
    """429 with Retry-After, 500, a body that is no JSON, and an answer that comes too late."""
    trouble = [(429, {"Retry-After": "0"}, {}), (500, {}, {}), (200, {}, b"<html>")]

    def say(number, _image):
        if number < 3:
            return trouble[number]
        if number == 3:
            time.sleep(1.5)
        return answer(REPORT)

    model = serve(say)
    study, _ = study_of(tmp_path, 2)
    made = caption(endpoint(model.url, concurrency=1, attempts=5, timeout_seconds=0.7), study)
    assert made.counts["unusable_replies"] == {}
    assert model.requests == 4 + 2


def test_what_never_passes_is_counted_and_asked_again_next_time(tmp_path, serve):
    down = [True]
    model = serve(lambda _n, _image: (503, {"Retry-After": "0"}, {}) if down else answer(REPORT))
    study, _ = study_of(tmp_path, 2)
    made = caption(endpoint(model.url, attempts=2, max_failure_fraction=1.0), study)
    assert made.counts["unusable_replies"] == {"no answer: InternalServerError": 2}
    assert made.captions == ["{token}, on {level} skin"] * 2
    assert model.requests == 4
    down.clear()
    assert caption(endpoint(model.url), study).counts["unusable_replies"] == {}


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (answer('{"asymmetry": "symm', "length"), "cut off at max_reply_tokens"),
        (answer("A red patch."), "not JSON"),
        (answer({"asymmetry": "a", "border": "b"}), "colour: missing"),
        (answer(REPORT | {"diagnosis": "psoriasis"}), "diagnosis: extra_forbidden"),
        (answer(REPORT | {"colour": "{level} red"}), "colour: string_pattern_mismatch"),
        (answer(REPORT | {"colour": "red " * 99}), "colour: string_too_long"),
        (answer(""), "not JSON"),
    ],
)
def test_unusable_replies_are_counted_by_reason_and_not_paid_again(tmp_path, serve, reply, why):
    model = serve(lambda number, _image: reply if number == 0 else answer(REPORT))
    study, _ = study_of(tmp_path, 2)
    made = caption(endpoint(model.url, concurrency=1), study)
    assert made.counts["unusable_replies"] == {why: 1}
    assert made.counts["without_concepts"] == 1
    assert min(made.captions) == "{token}, on {level} skin"
    assert caption(endpoint(model.url), study).captions == made.captions
    assert model.requests == 2
    with pytest.raises(DataError, match=r"1 of 2 images have no usable report \(1 x "):
        caption(endpoint(model.url, max_failure_fraction=0.4), study)


def test_a_refused_key_is_one_clear_error_and_the_key_stays_secret(tmp_path, serve, monkeypatch, capfd):
    model = serve(lambda _n, _image: (401, {}, {"error": {"message": f"Incorrect API key provided: {SECRET}"}}))
    study, _ = study_of(tmp_path, 2)
    with pytest.raises(DataError, match="set the environment variable EQUIDERM_TEST_KEY"):
        caption(endpoint(model.url, key_variable="EQUIDERM_TEST_KEY"), study)
    monkeypatch.setenv("EQUIDERM_TEST_KEY", SECRET)
    with pytest.raises(DataError, match=r"refuses the request.*\*\*\*.*EQUIDERM_TEST_KEY") as refused:
        caption(endpoint(model.url, key_variable="EQUIDERM_TEST_KEY"), study)
    assert {name.lower(): v for name, v in model.bodies[0][1].items()}["authorization"] == f"Bearer {SECRET}"
    assert model.requests <= 2, "a refusal was tried again"
    shown = capfd.readouterr()
    stored = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert SECRET not in str(refused.value) + shown.out + shown.err
    assert SECRET.encode() not in stored


@pytest.mark.parametrize("limit", [{"requests": 3}, {"cost": 0.005}])
def test_a_used_up_budget_stops_and_keeps_what_was_paid(tmp_path, serve, limit):
    """A reply costs (1000 x 1 + 100 x 10) / 1e6 = 0.002; the third brings the cost above 0.005."""
    model = serve(lambda _n, _image: answer(REPORT))
    study, _ = study_of(tmp_path)
    most = {"requests": 100, "cost": 0.0, "price_of_input": 1.0, "price_of_output": 10.0}
    with pytest.raises(DataError, match="the budget is used up: 3 requests"):
        caption(endpoint(model.url, concurrency=1, budget=most | limit), study)
    assert model.requests == 3
    made = caption(endpoint(model.url), study)
    assert (made.use.reused, made.use.computed, model.requests) == (3, 3, 6)


def test_a_killed_run_pays_nothing_twice(tmp_path, serve):
    """Killed while two requests wait for their reply: what came before is kept, whatever else the kill left behind."""
    killed = threading.Event()

    def say(number, _image):
        if number >= 5:
            killed.wait(60)
        return answer(REPORT)

    model = serve(say)
    study, _ = study_of(tmp_path, 12)
    params = endpoint(model.url, timeout_seconds=60.0)
    code = (
        "import ast, sys, pandas as pd\nfrom pathlib import Path\nsys.path[:0] = ['tests']\n"
        "from language_model import *\nfolder = Path(sys.argv[1])\n"
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
    model = serve(lambda _n, _image: answer(REPORT))
    study, pixels = study_of(tmp_path)
    made = caption(endpoint(model.url), study)
    default_store()  # every stage trims the store when it begins

    def encoded(image):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG", compress_level=0)
        return buffer.getvalue()

    monkeypatch.setattr("pipeline_steps.captions.endpoint.png_bytes", encoded)
    assert caption(endpoint(model.url), study).captions == made.captions
    assert model.requests == 6
    folders = {tmp_path / "paid" / name[:2] / name for name in map(digest, pixels)}
    assert {f.parent for f in (tmp_path / "paid").glob("*/*/*")} == folders, "all that was bought for an image"


def test_a_damaged_reply_is_said_set_aside_within_its_image_and_bought_again(tmp_path, serve, capsys):
    model = serve(lambda _n, _image: answer(REPORT))
    study, pixels = study_of(tmp_path, 2)
    made = caption(endpoint(model.url), study)
    (kept,) = (tmp_path / "paid" / digest(pixels[0])[:2] / digest(pixels[0])).iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert caption(endpoint(model.url), study).captions == made.captions
    assert model.requests == 3
    assert f"{kept} was damaged and is bought again" in capsys.readouterr().out
    assert {f.name for f in kept.parent.iterdir()} == {kept.name, f"{kept.name}.damaged"}

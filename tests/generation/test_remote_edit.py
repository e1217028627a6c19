"""Images edited by a service: a real HTTP server on loopback that takes OpenAI's form."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from data_sets import write_data_set
from painter import SECRET, Service
from PIL import Image

from pipeline_steps.generation.jobs import Inputs, plan_jobs
from pipeline_steps.generation.modes.remote_edit import RemoteEditParams
from pipeline_steps.generation.remote import remote_edit
from pipeline_steps.generation.synthetic import pixels_of
from pipeline_steps.items.store import default_store, write_checked
from pipeline_steps.pixels.images import digest
from pipeline_steps.stage.errors import DataError
from pipeline_steps.train_inpaint import ellipse


@pytest.fixture
def serve():
    made = []

    def start(*statuses):
        made.append(Service(statuses))
        return made[-1]

    yield start
    for service in made:
        service.server.shutdown()
        service.server.server_close()


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("EQUIDERM_ITEMS", str(tmp_path / "items"))
    monkeypatch.setenv("EQUIDERM_PAID", str(tmp_path / "paid"))
    rng = np.random.default_rng(0)
    manifest = pd.DataFrame({"image_id": [f"p{i}" for i in range(3)]})
    images = rng.integers(0, 200, size=(3, 32, 32, 3), dtype=np.uint8)
    masks = np.stack([ellipse(rng, 32, (0.2, 0.3)) for _ in range(3)])
    write_data_set(tmp_path, manifest, images, masks)
    said = {"caption": "An image of {token} on {level} skin", "short_caption": "{token} on {level} skin"}
    captions = pd.DataFrame({"image_id": manifest["image_id"], **said})
    captions.to_parquet(tmp_path / "captions.parquet")
    (tmp_path / "words.json").write_text(json.dumps({str(t): f"tone {t}" for t in range(1, 7)}))
    train = manifest.assign(condition="psoriasis", level="1", sha256=[str(i) for i in range(3)])
    return images, masks, train, Inputs(*[tmp_path] * 5)


def _params(url, **changes):
    values = {
        "mode": "remote_edit",
        "captioner": "template",
        "images_per_source": 1,
        "max_sources": 0,
        "target_levels": ("6",),
        "level_choice": "random",
        "seed": 0,
        "region": "surroundings",
        "size": 64,
        "grow": 0,
        "feather": 0.0,
        "response_format": None,
        "base_url": url,
        "model": "painter",
        "key_variable": "",
        "timeout_seconds": 5.0,
        "attempts": 3,
        "concurrency": 1,
        "budget": {"requests": 100, "cost": 0.0, "price_of_image": 0.04},
    }
    return RemoteEditParams.model_validate(values | changes)


def _edit(study, params):
    _, _, train, inputs = study
    return remote_edit(params, inputs, plan_jobs(train, params), train)


def test_the_surroundings_are_painted_the_lesion_stays_and_an_image_is_paid_once(study, serve):
    service = serve()
    made = _edit(study, _params(service.url))
    images, masks = study[:2]
    for file, mask_file, image, mask in zip(made.files, made.masks, images, masks, strict=True):
        edited = pixels_of(file)
        assert (edited[mask] == image[mask]).all()
        assert (edited[~mask] == (0, 255, 0)).all()
        assert ((pixels_of(mask_file)[..., 0] > 127) == mask).all()
    form = service.forms[0]
    assert form["prompt"] == b"An image of psoriasis on tone 6 skin"
    sent, mask = (Image.open(io.BytesIO(form[name])) for name in ("image", "mask"))
    assert sent.size == mask.size == (64, 64)
    alpha = np.asarray(mask)[..., 3]
    assert ((alpha == 0)[::2, ::2] == ~masks[0]).all(), "transparent is what the service may paint"
    assert len(service.forms) == 3
    again = _edit(study, _params(service.url))
    assert (list(again.files), again.reused, len(service.forms)) == (list(made.files), 3, 3)


def test_the_cost_is_said_and_weighed_before_anything_is_sent(study, serve, capsys):
    service = serve()
    with pytest.raises(DataError, match=r"would cost 0\.12, the budget is 100 requests .* 0\.10; nothing was sent"):
        _edit(study, _params(service.url, budget={"requests": 100, "cost": 0.1, "price_of_image": 0.04}))
    assert service.forms == []
    assert "at a cost of 0.12" in capsys.readouterr().out


def test_passing_errors_are_tried_again_within_the_budget(study, serve):
    service = serve(429, 500)
    _edit(study, _params(service.url))
    assert len(service.forms) == 5
    other = serve(500, 500, 500)
    tight = {"requests": 3, "cost": 0.0, "price_of_image": 0.0}
    with pytest.raises(DataError, match="the budget is used up: 3 requests"):
        _edit(study, _params(other.url, model="other", budget=tight))


def test_what_came_is_kept_when_some_fail(study, serve):
    service = serve(200, 500, 500, 500)
    with pytest.raises(DataError, match=r"1 of 3 images got no answer .*what came is kept"):
        _edit(study, _params(service.url))
    before = len(service.forms)
    assert _edit(study, _params(service.url)).reused == 2
    assert len(service.forms) == before + 1


def test_the_key_comes_from_the_environment_and_is_not_told(study, serve, monkeypatch, tmp_path):
    service = serve(401)
    with pytest.raises(DataError, match="set the environment variable EQUIDERM_TEST_KEY"):
        _edit(study, _params(service.url, key_variable="EQUIDERM_TEST_KEY"))
    monkeypatch.setenv("EQUIDERM_TEST_KEY", SECRET)
    with pytest.raises(DataError, match="refuses the request") as caught:
        _edit(study, _params(service.url, key_variable="EQUIDERM_TEST_KEY"))
    assert SECRET not in str(caught.value)
    assert set(service.keys) == {f"Bearer {SECRET}"}
    _edit(study, _params(service.url, key_variable="EQUIDERM_TEST_KEY"))
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and SECRET.encode() in f.read_bytes()]


def test_no_trimming_buys_an_edit_again_and_all_of_an_image_lies_in_one_folder(study, serve, monkeypatch, tmp_path):
    service = serve()
    made = _edit(study, _params(service.url, images_per_source=2))
    monkeypatch.setenv("EQUIDERM_ITEMS_GIB", "0")
    default_store()
    again = _edit(study, _params(service.url, images_per_source=2))
    assert (list(again.files), len(service.forms)) == (list(made.files), 6)
    folders = {tmp_path / "paid" / name[:2] / name for name in map(digest, study[0])}
    assert {f.parent for f in (tmp_path / "paid").glob("*/*/*")} == folders


def test_a_reply_that_is_no_image_is_said_with_its_place_and_can_be_bought_again(study, serve, tmp_path):
    service = serve()
    made = _edit(study, _params(service.url))
    (kept,) = (tmp_path / "paid" / digest(study[0][0])[:2] / digest(study[0][0])).iterdir()
    write_checked(kept, b"no image", synced=False)
    with pytest.raises(DataError, match=rf"no image .*look at {kept}, and delete it to ask"):
        _edit(study, _params(service.url))
    kept.unlink()
    assert list(_edit(study, _params(service.url)).files) == list(made.files)
    assert len(service.forms) == 4

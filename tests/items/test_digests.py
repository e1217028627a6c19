"""A digest that is remembered is the one that hashing would give, whatever was done to the files."""

import os
import sqlite3
import time

import pytest
from conftest import ROOT

from pipeline_steps.checkpoints.provenance import weights_digest
from pipeline_steps.diffusion import adapters, hub
from pipeline_steps.items import digests
from pipeline_steps.items.digests import remembered_digest
from pipeline_steps.items.store import default_store

_DAY = 86_400
_hashed = []


def counted(folder, **_inputs):
    """The digest of weights; each call counts."""
    _hashed.append(folder)
    return weights_digest(folder)


@pytest.fixture(autouse=True)
def large(tmp_path, monkeypatch):
    """Files of any size count as large and settled, in a store of the test's own."""
    monkeypatch.setenv("EQUIDERM_ITEMS", str(tmp_path / "items"))
    monkeypatch.setattr(digests, "_SMALL", 0)
    monkeypatch.setattr(digests, "_SETTLED", 0)
    _hashed.clear()


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet/model.safetensors").write_bytes(b"a" * 100)
    (folder / "config.json").write_text("{}")
    _tick()
    return folder


def _tick():
    """Let the file system's clock go on."""
    time.sleep(0.02)


def _said(folder, **inputs):
    found = remembered_digest(counted, folder, **inputs)
    assert found == weights_digest(folder)
    return found


def test_what_has_not_changed_is_hashed_once(weights):
    assert _said(weights) == _said(weights)
    assert len(_hashed) == 1
    _said(weights, patterns=["*"])
    assert len(_hashed) == 2, "of other inputs nothing is known"


def _edited(folder):
    """Other bytes in place: size and inode stay, and the time of modification is put back."""
    file = folder / "unet/model.safetensors"
    before = file.stat()
    with file.open("r+b") as stream:
        stream.write(b"b")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_mtime_ns, file.stat().st_size) == (before.st_mtime_ns, before.st_size)


def _replaced(folder):
    file = folder / "unet/model.safetensors"
    other = folder.parent / "other"
    other.write_bytes(b"c" * 100)
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.replace(file)


def _added(folder):
    (folder / "more.safetensors").write_bytes(b"d")


def _removed(folder):
    (folder / "config.json").unlink()


def _renamed(folder):
    (folder / "config.json").rename(folder / "configuration.json")


@pytest.mark.parametrize("change", [_edited, _replaced, _added, _removed, _renamed])
def test_what_has_changed_is_hashed_again(weights, change):
    before = _said(weights)
    change(weights)
    _tick()
    assert _said(weights) != before


def test_what_changed_a_moment_ago_is_not_remembered(weights, monkeypatch):
    """Within a tick of the clock it could change again, with nothing to tell."""
    monkeypatch.setattr(digests, "_SETTLED", 5)
    _said(weights)
    _said(weights)
    assert len(_hashed) == 2
    ahead = time.time() + _DAY
    os.utime(weights / "config.json", (ahead, ahead))
    _said(weights)
    _said(weights)
    assert len(_hashed) == 4, "nor what a clock that is ahead says"


def test_what_changes_while_it_is_hashed_is_not_remembered(weights):
    def changing(folder):
        found = weights_digest(folder)
        _edited(folder)
        _tick()
        return found

    before = remembered_digest(changing, weights)
    assert remembered_digest(changing, weights) != before


def test_small_folders_are_hashed_and_leave_no_trace(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_SMALL", 1 << 26)
    _said(weights)
    _said(weights)
    assert len(_hashed) == 2
    assert not (tmp_path / "items").exists()


def test_a_damaged_memory_is_none(weights):
    _said(weights)
    database = default_store().root / "index.sqlite"
    content = weights_digest(weights).encode()
    with sqlite3.connect(database) as index:
        ((value,),) = index.execute("SELECT value FROM items").fetchall()
        index.execute("UPDATE items SET value = ?", (value.replace(content, content[::-1]),))
    _said(weights)
    assert len(_hashed) == 2


def test_models_and_adapters_have_the_digests_that_they_had(tmp_path):
    """Remembered or not, and of a folder as hashing the bytes says."""
    shipped = ROOT / "models/base/phantom-sd"
    base = hub.BaseModel("stable_diffusion", str(shipped), None, "float32")
    assert [hub.digest_of(base, shipped) for _ in range(2)] == [weights_digest(shipped)] * 2
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter/pytorch_lora_weights.safetensors").write_bytes(b"lora")
    _tick()
    found = [remembered_digest(adapters.digest, tmp_path / "adapter") for _ in range(2)]
    assert found == [adapters.digest(tmp_path / "adapter")] * 2

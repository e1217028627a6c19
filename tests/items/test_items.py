"""The item store keeps what it is given, notices damage, and computes what is absent and nothing else."""

import contextlib
import gc
import sqlite3
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline_steps.items import index
from pipeline_steps.items.index import FILE, _index, index_of
from pipeline_steps.items.store import SMALL, ItemStore, item_key, item_seed
from pipeline_steps.stage.errors import DataError


def _keys(n):
    return [item_key("op", "code", n=i) for i in range(n)]


def _value(key, large):
    return key.encode() * (SMALL // len(key) + 1 if large else 1)


def _through(store, keys, seen, batch=4, *, large=False):
    def compute(batch_positions):
        seen.append(list(batch_positions))
        return [_value(keys[i], large) for i in batch_positions]

    values, use = store.get_or_compute(keys, compute, batch, "test")
    return list(values), use


@pytest.mark.parametrize("large", [False, True])
def test_only_absent_items_are_computed_in_fixed_batches(tmp_path, large):
    store, seen = ItemStore(tmp_path), []
    values, use = _through(store, _keys(10), seen, large=large)
    assert values == [_value(k, large) for k in _keys(10)]
    assert (use.reused, use.computed) == (0, 10)
    assert all(len(b) == 4 for b in seen)
    values, use = _through(store, _keys(13), seen := [], large=large)
    assert values == [_value(k, large) for k in _keys(13)]
    assert (use.reused, use.computed) == (10, 3)
    assert seen == [[10, 11, 12, 12]]


def test_equal_keys_are_computed_once(tmp_path):
    key = item_key("op", "code", n=1)
    seen = []
    values, use = _through(ItemStore(tmp_path), [key] * 5, seen)
    assert len(values) == 5
    assert use.computed == 1
    assert seen == [[0, 0, 0, 0]]


DAMAGES = [lambda b: b[:-1], lambda b: b[:40] + bytes([b[40] ^ 1]) + b[41:], lambda b: b""]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("large", [False, True])
def test_damage_is_noticed_quarantined_and_mended(tmp_path, damage, large):
    store, keys = ItemStore(tmp_path), _keys(3)
    _through(store, keys, [], large=large)
    path = store.path(keys[1])
    assert path.exists() == large
    if large:
        path.write_bytes(damage(path.read_bytes()))
    else:
        with sqlite3.connect(tmp_path / FILE) as database:
            ((stored,),) = database.execute("SELECT value FROM items WHERE key = ?", [keys[1]])
            database.execute("UPDATE items SET value = ? WHERE key = ?", (damage(stored), keys[1]))
    assert store.get(keys[1]) is None
    assert (tmp_path / "quarantine" / keys[1]).exists()
    values, use = _through(store, keys, [], large=large)
    assert use.computed == 1
    assert values == [_value(k, large) for k in keys]


@pytest.mark.parametrize("large", [False, True])
def test_values_wait_on_the_disk_until_they_are_asked_for(tmp_path, large):
    """A list of embeddings was 16 MiB of memory for each prompt."""
    store, keys = ItemStore(tmp_path), _keys(40)
    size = 2 * SMALL if large else SMALL // 2

    def compute(batch):
        return [bytes([i]) * size for i in batch]

    tracemalloc.start()
    values, _ = store.get_or_compute(keys, compute, 2, "test")
    assert all(value == bytes([i]) * size for i, value in enumerate(values))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * size + 2e5


def test_a_value_that_is_gone_when_it_is_asked_for_is_said_with_the_remedy(tmp_path):
    store = ItemStore(tmp_path)
    values, _ = store.get_or_compute(_keys(2), lambda batch: [b"x"] * len(batch), 2, "test")
    index_of(tmp_path).drop(_keys(1))
    assert values[1] == b"x"
    with pytest.raises(DataError, match=r"was computed and is gone.*run again.*EQUIDERM_ITEMS_GIB"):
        values[0]


def test_an_index_that_is_damaged_or_gone_costs_what_lay_in_it(tmp_path):
    keys = _keys(3)
    for n, spoil in enumerate((lambda f: f.write_bytes(b"no database" * 99), lambda f: f.unlink())):
        root = tmp_path / str(n)
        _through(ItemStore(root), keys[:1], [], large=True)
        _through(ItemStore(root), keys[1:], [])
        _index.cache_clear()
        gc.collect()
        for file in root.glob(f"{FILE}-*"):
            file.unlink()
        spoil(root / FILE)
        assert _through(ItemStore(root), keys[:1], [], large=True)[1].computed == 1 - n
        assert _through(ItemStore(root), keys[1:], [])[1].computed == 2


def test_processes_and_threads_share_a_store(tmp_path):
    code = (
        "import sys; from pathlib import Path; from concurrent.futures import ThreadPoolExecutor\n"
        "from pipeline_steps.items.store import ItemStore, item_key\n"
        "store = ItemStore(Path(sys.argv[1]))\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    list(pool.map(lambda i: store.keep({item_key('op', 'code', n=i): str(i).encode()}), range(200)))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT) for _ in range(2)]
    assert [process.wait(120) for process in running] == [0, 0]
    assert [ItemStore(tmp_path).get(key) for key in _keys(200)] == [str(i).encode() for i in range(200)]


def test_key_depends_on_everything():
    base = item_key("op", "code", prompt="a", seed=1)
    others = [
        item_key("op2", "code", prompt="a", seed=1),
        item_key("op", "code2", prompt="a", seed=1),
        item_key("op", "code", prompt="b", seed=1),
        item_key("op", "code", prompt="a", seed=2),
    ]
    assert len({base, *others}) == 5
    assert base == item_key("op", "code", seed=1, prompt="a")
    assert item_seed(base) != item_seed(others[0])


@pytest.mark.parametrize("large", [False, True])
def test_garbage_goes_oldest_first_and_what_is_used_now_stays(tmp_path, monkeypatch, large):
    store, keys = ItemStore(tmp_path), _keys(5)
    for day, n in ((10, 0), (12, 1), (11, 2), (13, 3), (20, 4)):
        monkeypatch.setattr(index, "_today", lambda day=day: day)
        _through(store, [keys[n]], [], large=large)
    monkeypatch.setattr(index, "_today", lambda: 14)
    _through(store, [keys[0]], [], large=large)  # used again
    monkeypatch.setattr(index, "_today", lambda: 20)
    size = len(_value(keys[0], large))
    assert store.collect_garbage(5 * size) == 0
    assert store.collect_garbage(int(3.4 * size)) == 2 * size
    assert _there(tmp_path, keys) == [True, False, False, True, True]
    assert store.collect_garbage(0) == 2 * size
    assert _there(tmp_path, keys) == [False, False, False, False, True], "what today's run reads"


def test_what_is_read_is_in_use(tmp_path, monkeypatch):
    store, key = ItemStore(tmp_path), _keys(1)[0]
    monkeypatch.setattr(index, "_today", lambda: 10)
    store.keep({key: b"value"})
    monkeypatch.setattr(index, "_today", lambda: 20)
    assert store.get(key) == b"value"
    assert store.collect_garbage(0) == 0


def test_where_the_disk_is_full_room_is_given_back_later(tmp_path, monkeypatch):
    """VACUUM writes all of the file anew, and stages collect when they begin."""

    class Full:
        def execute(self, _text):
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(index_of(tmp_path), "_database", Full())
    index_of(tmp_path).shrink()


def test_threads_may_keep_the_same_large_value_at_once(tmp_path):
    """Copies of one photograph are decoded side by side."""
    store = ItemStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        for key in _keys(20):
            list(pool.map(lambda _, key=key: store.keep({key: _value(key, large=True)}), range(16)))
            assert store.get(key) == _value(key, large=True)


def _there(root, keys):
    """Which keys there are, without using them."""
    with contextlib.closing(sqlite3.connect(root / FILE)) as database:
        found = {key for (key,) in database.execute("SELECT key FROM items")}
    return [key in found for key in keys]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    store = ItemStore(tmp_path)

    def fail(_path, _value):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        store.keep({"ab" * 32: b"value" * SMALL, "cd" * 32: b"value"})
    monkeypatch.undo()
    assert store.get("ab" * 32) is None
    assert store.get("cd" * 32) is None
    assert {f.name for f in tmp_path.rglob("*") if f.is_file() and not f.name.startswith(FILE)} == set()

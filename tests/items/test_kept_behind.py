"""Values that a thread keeps while the next batch is computed are those that are kept in turn, whole or not at all."""

import threading

import pytest

from pipeline_steps.items.store import SMALL, ItemStore, item_key

KEYS = [item_key("op", "code", n=i) for i in range(7)]
WAIT = 60  # seconds until a test that waits for another thread gives up


def _value(i):
    return bytes([i]) * (2 * SMALL if i % 2 else 3)  # some as files, some in the index


def _pool_threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("ThreadPool")]


def _all(store):
    return [store.get(key) for key in KEYS]


@pytest.mark.parametrize("behind", [False, True])
def test_what_is_kept_is_what_finishing_makes(tmp_path, behind):
    store = ItemStore(tmp_path)
    values, use = store.get_or_compute(KEYS, lambda batch: batch, 3, "test", finish=_value, behind=behind)
    assert [*values] == _all(store) == [_value(i) for i in range(7)]
    assert use.computed == 7
    assert not _pool_threads()


def test_the_next_batch_is_computed_meanwhile_and_no_further_one(tmp_path):
    began, computed, kept = threading.Event(), [], []

    def compute(batch):
        assert len(kept) >= len(computed) - 1, "one batch behind at most"
        computed.append(batch)
        if len(computed) == 2:
            began.set()
        return batch

    def finish(i):
        assert threading.current_thread() is not threading.main_thread()
        assert began.wait(WAIT), "the second batch is computed while the first is kept"
        kept.append(i)
        return _value(i)

    ItemStore(tmp_path).get_or_compute(KEYS[:4], compute, 1, "test", finish=finish, behind=True)
    assert kept == [0, 1, 2, 3]


@pytest.mark.parametrize("bad", [0, 2, 6])
def test_what_fails_in_the_thread_fails_in_the_caller(tmp_path, bad):
    """And what was given before is kept, what comes later is not."""
    store = ItemStore(tmp_path)

    def finish(i):
        if i == bad:
            raise OSError(f"no room for {i}")
        return _value(i)

    with pytest.raises(OSError, match=f"no room for {bad}"):
        store.get_or_compute(KEYS, lambda batch: batch, 1, "test", finish=finish, behind=True)
    assert _all(store) == [_value(i) if i < bad else None for i in range(7)]
    assert not _pool_threads()


def test_an_interruption_leaves_no_half_value(tmp_path):
    """As Ctrl-C gives it to the main thread, while another is keeping what was computed before."""
    store, writing = ItemStore(tmp_path), threading.Event()

    def compute(batch):
        if 3 in batch:
            assert writing.wait(WAIT)
            raise KeyboardInterrupt
        return batch

    def finish(i):
        writing.set()
        return _value(i)

    with pytest.raises(KeyboardInterrupt):
        store.get_or_compute(KEYS, compute, 3, "test", finish=finish, behind=True)
    assert _all(store) == [_value(i) if i < 3 else None for i in range(7)], "what was being kept is kept whole"
    assert not list(tmp_path.rglob("*.part"))
    assert not _pool_threads()

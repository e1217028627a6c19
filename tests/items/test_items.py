"""The item store keeps what it is given, notices damage, and computes what is absent and nothing else."""

import ast
import os
import re

import pytest

from pipeline_steps.items.closure import ROOT, code_version, executed, import_closure
from pipeline_steps.items.store import ItemStore, item_key, item_seed


def _keys(n):
    return [item_key("op", "code", n=i) for i in range(n)]


def _through(store, keys, seen, batch=4):
    def compute(batch_positions):
        seen.append(list(batch_positions))
        return [keys[i].encode() for i in batch_positions]

    return store.get_or_compute(keys, compute, batch, "test")


def test_only_absent_items_are_computed_in_fixed_batches(tmp_path):
    store, seen = ItemStore(tmp_path), []
    values, use = _through(store, _keys(10), seen)
    assert values == [k.encode() for k in _keys(10)]
    assert (use.reused, use.computed) == (0, 10)
    assert all(len(b) == 4 for b in seen)
    values, use = _through(store, _keys(13), seen := [])
    assert values == [k.encode() for k in _keys(13)]
    assert (use.reused, use.computed) == (10, 3)
    assert seen == [[10, 11, 12, 12]]


def test_equal_keys_are_computed_once(tmp_path):
    key = item_key("op", "code", n=1)
    seen = []
    values, use = _through(ItemStore(tmp_path), [key] * 5, seen)
    assert len(values) == 5
    assert use.computed == 1
    assert seen == [[0, 0, 0, 0]]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:40] + bytes([b[40] ^ 1]) + b[41:], lambda b: b""])
def test_damage_is_noticed_quarantined_and_mended(tmp_path, damage):
    store, keys = ItemStore(tmp_path), _keys(3)
    _through(store, keys, [])
    path = store.path(keys[1])
    path.write_bytes(damage(path.read_bytes()))
    assert store.get(keys[1]) is None
    assert (tmp_path / "quarantine" / keys[1]).exists()
    values, use = _through(store, keys, [])
    assert use.computed == 1
    assert values == [k.encode() for k in keys]


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


def test_garbage_goes_oldest_first(tmp_path):
    store, keys = ItemStore(tmp_path), _keys(4)
    for age, key in enumerate(keys):
        store.put(key, b"x" * 100)
        os.utime(store.path(key), (1000 - age, 1000 - age))
    freed = store.collect_garbage(132 * 2)
    assert freed == 132 * 2
    assert [store.get(k) is not None for k in keys] == [True, True, False, False]


def test_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    store = ItemStore(tmp_path)

    def fail(_fd):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        store.put("ab" * 32, b"value")
    monkeypatch.undo()
    assert store.get("ab" * 32) is None
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]


def test_what_is_given_waits_for_the_disk_and_what_is_computed_does_not(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    store = ItemStore(tmp_path)
    _through(store, _keys(3), [])
    assert synced == []
    store.put("ab" * 32, b"paid for")
    assert len(synced) == 1


def test_closure_follows_late_imports():
    closure = import_closure("pipeline_steps.train_classifier")
    assert "pipeline_steps/training/supervised.py" in closure
    assert "pipeline_steps/diffusion/sample.py" not in closure
    assert "pipeline_steps/items/closure.py" in import_closure("pipeline_steps.finetune")
    assert code_version("pipeline_steps.split") != code_version("pipeline_steps.audit")


CODE = '''"""A docstring."""

import os  # why


def f(x):
    """What it does."""
    # how
    text = """one

    two"""
    return f"{x}#{text}"
'''


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("A docstring.", "Another one.\n\nOf three lines.", False),
        ("# why", "", False),
        ("What it does.", "Says what it does.", False),
        ("    # how\n", "", False),
        ("import os", "import sys", True),
        ("one\n\n", "one\n", True),
        ("#{text}", "##{text}", True),
        ("return", "yield", True),
    ],
)
def test_a_digest_is_of_what_runs_and_of_no_sentence(old, new, counts):
    changed = CODE.replace(old, new)
    assert changed != CODE
    assert (executed(changed) != executed(CODE)) == counts


def test_a_docstring_on_the_line_of_its_class_hides_nothing():
    assert executed("class A(B): 'doc'") != executed("class A(C): 'doc'")


def test_what_runs_is_the_same_program():
    for file in (ROOT / "pipeline_steps").rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
                node.body[0] = ast.Expr(ast.Constant(...))
        assert ast.dump(ast.parse(executed(file.read_text("utf-8")))) == ast.dump(tree), file


def test_docstrings_are_read_for_help_alone():
    uses = re.compile(r"(?<!parser\()(?<!description=)__doc__")
    assert not [f for f in (ROOT / "pipeline_steps").rglob("*.py") if uses.search(f.read_text("utf-8"))]

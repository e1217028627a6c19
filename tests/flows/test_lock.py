"""dvc.lock and DVC's other files: read once, written as DVC writes them, repaired after a kill."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import copy_of, run
from dvc.exceptions import DvcException
from dvc.utils.serialize import dumps_yaml, parse_yaml
from flow_graphs import CELLS, FROZEN
from server import small_clone

from flows.lock_cache import parse_lock
from flows.lockfile import sort_lock
from flows.plan import read_plan
from flows.repair import repair_rwlock


def test_the_lock_keeps_the_order_of_the_plan(tmp_path):
    lock = tmp_path / "dvc.lock"
    stages = {name: {"cmd": name, "deps": [{"path": "x", "md5": "1"}]} for name in ("late", "12", "a@1", "gone", "b")}
    lock.write_text(dumps_yaml({"schema": "2.0", "stages": stages}))
    sort_lock(["12", "a@1", "b", "late"], lock)
    order = ("12", "a@1", "b", "gone", "late")
    assert lock.read_text() == dumps_yaml({"schema": "2.0", "stages": {name: stages[name] for name in order}})
    before = lock.stat().st_mtime_ns
    sort_lock(["12", "a@1", "b", "late"], lock)
    assert lock.stat().st_mtime_ns == before


def test_the_lock_is_written_as_dvc_writes_it(tmp_path):
    """A new lock, new stages in one, and stages that ran again: the same bytes, and none but theirs change."""
    values = ("{x: 1.0e-05, y: [], z: null, n: 3, long: '" + "word " * 60 + "'}", "{x: 0.1, y: {q: [1, two]}, z: 'no'}")
    clones = {module: small_clone(tmp_path / module, CELLS) for module in ("dvc", "flows.dvc_command")}
    for step, targets in enumerate((["write@b"], [], ["write@3"])):
        locks = []
        for module, clone in clones.items():
            (clone / "params.yaml").write_text(f"some: {values[step == 2]}\n")
            run(sys.executable, "-m", module, "repro", *targets, cwd=clone)
            locks.append((clone / "dvc.lock").read_bytes())
        assert locks[0] == locks[1], step


def test_only_new_blocks_of_the_lock_are_parsed(tmp_path):
    """Whatever is kept, also damaged: what DVC is told is what its own parser says."""
    asked = []

    def parse(part):
        asked.append(part)
        return parse_yaml(part, "dvc.lock")

    values = {"a": 1e-05, "'3'": "no", "c@x": "2020-01-01", "d": [None, {"y": "text " * 40}]}
    stages = {name: {"cmd": name, "params": {"params.yaml": {"v": value}}} for name, value in values.items()}
    lock = dumps_yaml({"schema": "2.0", "stages": stages})
    assert parse_lock(lock, tmp_path, parse) == parse_yaml(lock, "dvc.lock")
    assert parse_lock(lock, tmp_path, parse) == parse_yaml(lock, "dvc.lock")
    assert asked == [lock], "the second time all is kept"
    stages["d"]["cmd"] = "another"
    changed = dumps_yaml({"schema": "2.0", "stages": dict(reversed(stages.items()))})
    again = parse_lock(changed, tmp_path, parse)
    assert again == parse_yaml(changed, "dvc.lock")
    assert list(again["stages"]) == list(parse_yaml(changed, "dvc.lock")["stages"])
    assert asked[1:] == [dumps_yaml({"schema": "2.0", "stages": {"d": stages["d"]}})]
    again["stages"]["a"]["cmd"] = "spoilt by who was given it"
    assert parse_lock(changed, tmp_path, parse) == parse_yaml(changed, "dvc.lock")
    (kept,) = tmp_path.iterdir()
    stored = kept.read_bytes()
    for damaged in (b"", stored[:100], stored[:-1] + bytes([stored[-1] ^ 1])):
        kept.write_bytes(damaged)
        asked.clear()
        assert parse_lock(changed, tmp_path, parse) == parse_yaml(changed, "dvc.lock")
        assert asked == [changed]


@pytest.mark.parametrize(
    "lock",
    [
        "schema: '2.0'\nstages:\n  a: &one\n    cmd: x\n  b:\n    <<: *one\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: &it x\n  b:\n    cmd: *it\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    when: 2020-01-01\n",
        "stages: {a: {cmd: x}}\n",
    ],
)
def test_a_lock_unlike_dvcs_is_parsed_whole(tmp_path, lock):
    for _ in range(2):
        assert parse_lock(lock, tmp_path, lambda part: parse_yaml(part, "dvc.lock")) == parse_yaml(lock, "dvc.lock")
    first, changed = lock, lock.replace("x", "y")
    parse_lock(first, tmp_path, lambda part: parse_yaml(part, "dvc.lock"))
    assert parse_lock(changed, tmp_path, lambda part: parse_yaml(part, "dvc.lock")) == parse_yaml(changed, "dvc.lock")


def test_a_lock_that_another_hand_wrote_is_left_to_dvc(tmp_path):
    clone = small_clone(tmp_path / "clone", CELLS)
    (clone / "params.yaml").write_text("some: 1\n")
    run("dvc", "repro", cwd=clone)
    lock = clone / "dvc.lock"
    whole = lock.read_text()
    lock.write_text("# mine\n" + whole)
    (clone / "params.yaml").write_text("some: 2\n")
    run(sys.executable, "-m", "flows.dvc_command", "repro", cwd=clone)
    assert lock.read_text() == "# mine\n" + whole.replace("some: 1", "some: 2")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A small repository whose stages are done and whose lock is committed; one of them is frozen."""
    clone = small_clone(tmp_path_factory.mktemp("done") / "clone", FROZEN)
    (clone / "out").mkdir(exist_ok=True)
    (clone / "out/long").write_text("as it ships")
    run("dvc", "commit", "--force", "long", cwd=clone)
    run("dvc", "repro", cwd=clone)
    run("git", "add", "-A", cwd=clone)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "ran", cwd=clone)
    return clone


@pytest.fixture
def clone(done, tmp_path, monkeypatch):
    """The same to change, as the current folder."""
    monkeypatch.chdir(copy_of(done, tmp_path / "clone"))
    return Path.cwd()


def _planned():
    return {stage.name: stage.why for stage in read_plan()}


@pytest.mark.parametrize("part", [0, 60])
def test_half_a_lock_is_mended_from_the_last_commit(clone, caplog, part):
    """Else DVC would not know what is frozen (nothing was written), or refuse (a part of an entry was)."""
    lock = clone / "dvc.lock"
    whole = lock.read_bytes()
    lock.write_bytes(whole[:part])
    assert _planned() == {"long": (), "short": ()}
    assert "written in part only" in caplog.text
    assert lock.read_bytes() == whole


def test_a_lock_with_a_conflict_is_left_to_its_owner(clone):
    lock = clone / "dvc.lock"
    text = "<<<<<<< HEAD\n" + lock.read_text()
    lock.write_text(text)
    with pytest.raises(DvcException):
        _planned()
    assert lock.read_text() == text


def test_a_stage_that_never_ran_is_called_so(clone):
    pipeline = clone / "dvc.yaml"
    new = "  new:\n    cmd: exec python work.py write out/new\n    deps: [out/short, work.py]\n    outs: [out/new]\n"
    pipeline.write_text(pipeline.read_text() + new)
    assert _planned() == {"long": (), "short": (), "new": ("dvc.lock knows no run of it",)}
    run("dvc", "repro", "new", cwd=clone)
    (clone / "out/new").unlink()
    assert _planned()["new"] == ("deleted output out/new",)


def test_what_killed_processes_left_in_the_rwlock_is_taken_out(tmp_path):
    """DVC would warn of each of them; one that is alive keeps what it holds, and a damaged file goes."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine, dead = {"pid": os.getpid(), "cmd": "x"}, {"pid": gone.pid, "cmd": "x"}
    file = tmp_path / "rwlock"
    file.write_text(json.dumps({"read": {"a": [dead, mine], "b": [dead]}, "write": {"c": dead, "d": mine}}))
    repair_rwlock(tmp_path)
    assert json.loads(file.read_text()) == {"read": {"a": [mine]}, "write": {"d": mine}}
    for damaged in ("", '{"read": {"a"', "[]", '{"read": {"a": [1]}}'):
        file.write_text(damaged)
        repair_rwlock(tmp_path)
        assert not file.exists()

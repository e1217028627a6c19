"""A run saved as a DVC experiment: what can't be saved is found before the work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, copy_of, run
from dvc.utils.serialize import load_yaml

from flows.experiment import check_savable, save


@pytest.mark.parametrize("name", ["a/b", "a..b", "a b", "-a", "a~1", "x.lock", "a\nb"])
def test_a_name_that_no_experiment_can_have_is_refused(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(ValueError, match="can't be an experiment's name"):
        check_savable(name)


TINY = """
stages:
  a:
    cmd: exec python work.py write out/a
    deps: [work.py]
    params: [x]
    outs: [out/a]
  b:
    cmd: exec python work.py write out/b
    deps: [out/a]
    outs: [out/b]
  c:
    cmd: exec python work.py write out/c
    deps: [work.py]
    params: [y]
    outs: [out/c]
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Three stages that have run, in a repository of four files."""
    folder = tmp_path_factory.mktemp("ran")
    for name, text in {"dvc.yaml": TINY, "params.yaml": "x: 1\ny: 1\n", ".gitignore": "/out\n/runs\n"}.items():
        (folder / name).write_text(text)
    (folder / "work.py").write_bytes((ROOT / "tests/work.py").read_bytes())
    made = "git init -q -b main; git config user.name t; git config user.email t@t; dvc init -q; dvc repro -q"
    run("sh", "-ec", f"{made}; git add -A; git commit -qm ran", cwd=folder)
    return folder


@pytest.fixture
def tiny(ran, tmp_path, monkeypatch):
    """The same to change, as the current folder."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.chdir(copy_of(ran, tmp_path / "tiny"))
    return Path.cwd()


def _sh(command):
    return subprocess.run(command, shell=True, check=False, capture_output=True, text=True)


BRANCHES = (
    "git checkout -qb o; echo 1 > f; git add f; git commit -qm o; git checkout -q main; "
    "echo 2 > {file}; git add {file}; git commit -qm m; "
)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("rm -rf .git; git init -q", "an experiment needs a commit to differ from"),
        ("git config user.email ''", "git does not know who you are"),
        (BRANCHES.format(file="f") + "git merge o", r"a merge conflict is open \(f\)"),
        (BRANCHES.format(file="f") + "git rebase o", r"a merge conflict is open \(f\)"),
        (BRANCHES.format(file="g") + "git merge --no-commit --no-ff o", "a merge is not committed yet"),
        (BRANCHES.format(file="f") + "git cherry-pick o; git add f", "a cherry-pick is not committed yet"),
        (BRANCHES.format(file="f") + "git rebase o; git add f", "a rebase is under way"),
        ("touch .git/index.lock", "another git is at work, or died"),
    ],
)
def test_a_state_of_git_that_cannot_be_saved_is_found_at_the_start(tiny, monkeypatch, state, said):
    for variable, value in {"GLOBAL": "/dev/null", "SYSTEM": "/dev/null"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{variable}", value)
    _sh(state)
    with pytest.raises(ValueError, match=said):
        check_savable("n")


@pytest.mark.parametrize(
    "state", ["true", "git checkout -q --detach", "echo z > z; git add z; echo '# y' >> dvc.yaml", "git bisect start"]
)
def test_a_state_of_git_that_is_let_through_can_be_saved(tiny, state):
    _sh(state)
    Path("params.yaml").write_text("x: 2\ny: 1\n")
    _sh("dvc repro -q b")
    check_savable("n")
    assert save("n", "b") == "n"
    assert "x: 2" in _sh("git show $(git for-each-ref --format='%(objectname)' refs/exps):params.yaml").stdout
    assert Path("params.yaml").read_text() == "x: 2\ny: 1\n"


def test_what_did_not_run_is_not_saved_as_if_it_had(tiny):
    """Some stages ran, another is stale, and of a third the output is missing: all that is there is saved as it is."""
    Path("params.yaml").write_text("x: 2\ny: 2\n")
    _sh("dvc repro -q a")
    Path("out/b").unlink()
    assert save("n", "a") == "n"
    lock = load_yaml("dvc.lock")["stages"]
    assert {name: lock[name]["params"]["params.yaml"] for name in ("a", "c")} == {"a": {"x": 2}, "c": {"y": 1}}

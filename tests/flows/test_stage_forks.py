"""Stages that are forked from a process with the libraries in it: to all others the same as stages started anew."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import warm
from conftest import ROOT, run

from flows import stage_forks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes can be watched on Linux")

DEED = """
import json, os, signal, sys, time
from pathlib import Path

import pipeline_steps

deed = sys.argv[1]
if deed == "tell":
    said = {"argv": sys.argv[1:], "name": __name__, "file": Path(__file__).name, "stage": pipeline_steps.IS_STAGE}
    said |= {"cwd": os.getcwd(), "path": sys.path[0], "set": os.environ["SET"], "read": sys.stdin.read()}
    print(json.dumps(said | {"group": os.getpgrp()}))
    print("whispered", file=sys.stderr)
if deed == "forked":
    print("flows" in sys.modules)
if deed == "leave":
    sys.exit(json.loads(sys.argv[2]))
if deed == "break":
    {}["no such key"]
if deed == "die":
    os.kill(os.getpid(), signal.SIGTERM)
if deed == "wait":
    Path("up").write_text(str(os.getpid()))
    time.sleep(600)
"""
# The third stage waits until there is what the others are forked from.
GRAPH = """
stages:
  s1: {cmd: exec python -m pipeline_steps.deed forked > s1, outs: [s1]}
  s2: {cmd: exec python -m pipeline_steps.deed forked > s2, outs: [s2], deps: [s1]}
  s3: {cmd: exec sh wait.sh > s3, outs: [s3], deps: [s2]}
  s4: {cmd: exec python -m pipeline_steps.deed forked > s4, outs: [s4], deps: [s3]}
"""


@pytest.fixture
def place(tmp_path):
    """A folder in which ``pipeline_steps`` has a single command."""
    package = tmp_path / "pipeline_steps"
    package.mkdir()
    shutil.copy(ROOT / "pipeline_steps/__init__.py", package)
    (package / "deed.py").write_text(DEED)
    return tmp_path


def _python(*, forked):
    """The two pythons, a real one and the one that asks for forks."""
    return str(Path(warm.environment()["PATH"].split(":")[0], "python")) if forked else sys.executable


def _start(place, *deed, forked, **options):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | options
    environment = {**os.environ, "SET": "so"}
    command = [_python(forked=forked), "-m", "pipeline_steps.deed", *deed]
    return subprocess.Popen(command, cwd=place, env=environment, text=True, process_group=0, **pipes)


def _until(condition):
    for _ in range(600):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("waited 30 s")


def _is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_fork_is_what_a_process_of_its_own_would_be(place):
    said = []
    for forked in (False, True):
        process = _start(place, "tell", "a b", forked=forked)
        out, error = process.communicate("given")
        told = json.loads(out)
        assert told.pop("group") == process.pid, "the caller's, which a terminal's Ctrl-C reaches"
        said.append((told, error, process.returncode))
    assert said[0] == said[1]
    assert said[0][0]["read"] == "given"


@pytest.mark.parametrize("deed", [("leave", "0"), ("leave", "3"), ("leave", '"no"'), ("leave", "null"), ("die",)])
def test_it_ends_as_the_stage_ends(place, deed):
    ends = []
    for forked in (False, True):
        process = _start(place, *deed, forked=forked)
        ends.append((*process.communicate(), process.returncode))
    assert ends[0] == ends[1]


def test_what_breaks_it_is_left_for_whoever_looks_for_the_reason(place, monkeypatch):
    monkeypatch.setenv("EQUIDERM_REASON", str(place / "reason"))
    process = _start(place, "break", forked=True)
    assert process.communicate()[1].endswith("KeyError: 'no such key'\n")
    assert process.returncode == 1
    assert (place / "reason").read_text() == "error: a stage broke off: KeyError: 'no such key'\0"


def test_a_terminal_is_one_and_lines_are_seen_at_once(place):
    (place / "pipeline_steps/deed.py").write_text("import sys\nprint(sys.stdout.isatty())\nsys.stdin.read()\n")
    screen, end = pty.openpty()
    process = _start(place, forked=True, stdout=end)
    assert os.read(screen, 4) == b"True", "before it ends"
    process.communicate("")


def test_code_that_was_changed_is_what_runs(place):
    for what in ("first", "second"):
        (place / "pipeline_steps/deed.py").write_text(f"print({what!r})\n")
        assert _start(place, forked=True).communicate()[0] == f"{what}\n"


def test_when_its_caller_is_killed_it_dies(place):
    process = _start(place, "wait", forked=True)
    stage = int(_until(lambda: (place / "up").exists() and (place / "up").read_text()))
    assert stage != process.pid
    process.kill()
    _until(lambda: _is_gone(stage))


def test_when_dvc_is_killed_it_dies(place):
    code = "import subprocess, sys; subprocess.run([*sys.argv[1:], '-m', 'pipeline_steps.deed', 'wait'])"
    dvc = subprocess.Popen([sys.executable, "-c", code, _python(forked=True)], cwd=place)
    stage = int(_until(lambda: (place / "up").exists() and (place / "up").read_text()))
    dvc.kill()
    dvc.wait()
    _until(lambda: _is_gone(stage))


def test_when_what_it_was_forked_from_is_killed_it_dies_and_its_caller_fails(place):
    process = _start(place, "wait", forked=True)
    stage = int(_until(lambda: (place / "up").exists() and (place / "up").read_text()))
    psutil.Process(stage).parent().kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    _until(lambda: _is_gone(stage))


def test_ctrl_c_in_a_terminal_leaves_it_the_last_word(place):
    process = _start(place, "wait", forked=True)
    _until(lambda: (place / "up").exists() and (place / "up").read_text())
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[1].splitlines()[-1].startswith("interrupted: what was finished is kept")
    assert process.returncode == 130


def test_all_else_is_the_real_python(place):
    python = _python(forked=True)
    assert run(python, "-c", "import sys; print(sys.executable)", cwd=place).stdout == f"{sys.executable}\n"
    assert run(python, "-m", "json.tool", "--help", cwd=place).returncode == 0


def test_before_it_is_ready_and_when_it_is_gone_stages_start_anew(place, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    watched = subprocess.Popen(["sleep", "600"])
    server = stage_forks.start(folder, watched.pid, begun=2)
    asked = [str(folder / "python"), "-m", "pipeline_steps.deed", "forked"]
    assert run(*asked, cwd=place).stdout == "False\n"
    watched.kill()
    watched.wait()
    assert server.wait(timeout=30) == 0, "it ends with the process that it is told to watch"
    assert not folder.exists()


def test_dvc_by_run_forks_its_stages_once_it_can(place):
    """After the second stage the libraries are imported; nothing stays when DVC has ended."""
    (place / "dvc.yaml").write_text(GRAPH)
    (place / "wait.sh").write_text('until [ -S "${PATH%%:*}/ready" ]; do sleep 0.05; done; date\n')
    shutil.copytree(ROOT / "flows", place / "flows")  # which imports what the single command beside it imports
    for command in (("git", "init", "-q"), ("dvc", "init", "-q")):
        run(*command, cwd=place)
    done = run(sys.executable, "-m", "flows.run_dvc", "repro", cwd=place)
    assert done.stderr == ""
    assert [(place / s).read_text() for s in ("s1", "s2", "s4")] == ["False\n", "False\n", "True\n"]
    _until(lambda: not any(_works_in(p, place) for p in psutil.process_iter()))


def _works_in(process, place):
    try:
        return Path(process.cwd()) == place
    except psutil.Error:
        return False


def test_where_there_is_a_gpu_stages_start_anew(tmp_path, monkeypatch):
    """A driver that was asked anything before a fork is lost after it."""
    assert stage_forks.possible() == (not Path("/dev/nvidiactl").exists())
    monkeypatch.setattr(stage_forks, "_GPU", tmp_path)
    assert not stage_forks.possible()


def test_its_threads_wait_as_those_of_other_stages():
    assert f'os.environ.setdefault("GOMP_SPINCOUNT", "{stage_forks.SPIN_COUNT}")' in (
        ROOT / "pipeline_steps/__init__.py"
    ).read_text("utf-8")

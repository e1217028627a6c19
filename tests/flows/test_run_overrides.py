"""Parameters overridden for a run, against a real server: taken back unless it succeeds."""

import signal
import sys

import pytest
from conftest import run
from server import living_stages, small_clone, until

from pipeline_steps.stage.params import read_yaml

OVERRIDDEN = """
stages:
  numbers:
    cmd: exec python work.py sleep out/numbers 1
    deps: [work.py]
    params: [classifier.updates]
    outs: [out/numbers]
  fails:
    cmd: exec python work.py fail out/fails
    deps: [out/numbers]
    outs: [out/fails]
"""


def _with_identity(folder, graph):
    clone = small_clone(folder, graph)
    for key, value in {"user.name": "t", "user.email": "t@t"}.items():
        run("git", "config", key, value, cwd=clone)
    run("git", "add", "-A", cwd=clone)
    run("git", "commit", "-qm", "x", cwd=clone)
    return clone


def _parameters(clone):
    return [(clone / name).read_bytes() for name in ("params.yaml", "cells.yaml")]


@pytest.mark.slow
def test_a_failed_run_takes_its_overrides_back_and_one_of_some_targets_is_saved(server, tmp_path):
    clone = _with_identity(tmp_path / "clone", OVERRIDDEN)
    before = _parameters(clone)
    process = server.flow(clone, "-S", "classifier.updates=7")
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 1, output
    assert _parameters(clone) == before
    assert "params.yaml is again as it was before the run" in output
    process = server.flow(clone, "-S", "classifier.updates=7", "--target", "numbers", "--name", "seven")
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert read_yaml(clone / "params.yaml")["classifier"]["updates"] == 7
    refs = run("git", "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps", cwd=clone).stdout.split()
    assert refs == ["seven"]
    assert "the workspace holds the experiment, -S classifier.updates=7 included" in " ".join(output.split())
    assert not (clone / "runs/overridden").exists()


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ended_run_takes_its_overrides_back(server, tmp_path, sign):
    clone = _with_identity(tmp_path / "clone", OVERRIDDEN.replace("out/numbers 1", "out/numbers 400"))
    before = _parameters(clone)
    process = server.flow(clone, "-S", "classifier.updates=7")
    until(lambda: living_stages(clone))
    assert _parameters(clone) != before
    process.send_signal(sign)
    output = process.communicate(timeout=120)[0]
    until(lambda: not living_stages(clone))
    if sign == signal.SIGKILL:
        assert _parameters(clone) != before
        process = server.flow(clone, "--dry-run")
        output = process.communicate(timeout=120)[0]
        assert "a run with -S classifier.updates=7 was killed: params.yaml is again as it was before" in output
    assert _parameters(clone) == before, output
    assert "Traceback" not in output


@pytest.mark.slow
def test_another_wiring_is_run_and_saved(server, toy_copy):
    """A sweep of wirings goes by the flow: cells are made anew, what they reach runs, and the experiment holds both."""
    for key, value in {"user.name": "t", "user.email": "t@t"}.items():
        run("git", "config", key, value, cwd=toy_copy)
    wired = read_yaml(toy_copy / "cells.yaml")["cells"]["generate"]
    key = next(key for key, cell in wired.items() if cell["adapter"] != "models/none")
    name = wired[key]["augmenter"]
    process = server.flow(toy_copy, "-S", f"augmenters.{name}.adapter=null", "--name", "tokens-alone")
    output = process.communicate(timeout=1800)[0]
    assert process.returncode == 0, output
    assert read_yaml(toy_copy / "cells.yaml")["cells"]["generate"][key]["adapter"] == "models/none"
    assert "--adapter models/none" in read_yaml(toy_copy / "dvc.lock")["stages"][f"generate@{key}"]["cmd"]
    named = ("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/tokens-alone")
    (ref,) = run(*named, cwd=toy_copy).stdout.split()
    for file in ("cells.yaml", "params.yaml", "dvc.lock", "metrics/summary.json"):
        assert run("git", "show", f"{ref}:{file}", cwd=toy_copy).stdout == (toy_copy / file).read_text()
    assert "0 of" in run(sys.executable, "-m", "flows.augment", "--dry-run", cwd=toy_copy).stdout.splitlines()[-1]

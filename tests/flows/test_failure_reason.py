"""The last line of a command that failed says why: of DVC by ``./run``, and of the flow."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT, copy_of, run
from prefect.states import Completed, Failed
from ruamel.yaml import YAML

from flows.failure_reason import reasons
from flows.process import StageFailedError, reproduce
from flows.states import PipelineFailedError, raise_on_failure, skipped
from pipeline_steps.stage.params import read_yaml

WAITS = "import sys; sys.argv = ['-m']; import pipeline_steps, signal; open('up', 'w').close(); signal.pause()"
BREAKS = "import sys; sys.argv = ['-m']; import pipeline_steps; {}['no such key']"
READS = "cells: {ingest: {reads: {table: gone/labels.csv, images: gone, masks: models/none, annotations: models/none}}}"
GRAPH = """
stages:
  checks: {cmd: exec python -m pipeline_steps.check_params --out checked, outs: [checked]}
  breaks: {cmd: exec python breaks.py, outs: [broken]}
  waits: {cmd: exec python waits.py, outs: [waited]}
  starts: {cmd: kill -INT $$, outs: [started]}
  reads: {cmd: exec false, deps: [gone/labels.csv], outs: [read]}
  writes: {cmd: echo 1 > written, outs: [written]}
"""
WRONG = "error: params.yaml does not exist: run from the repository's root"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository with one stage that refuses, one that breaks, one that waits and one that is right."""
    folder = tmp_path_factory.mktemp("made")
    for name, text in {"dvc.yaml": GRAPH, "waits.py": WAITS, "breaks.py": BREAKS}.items():
        (folder / name).write_text(text)
    run("git", "init", "-q", cwd=folder)
    run("dvc", "init", "-q", cwd=folder)
    return folder


@pytest.fixture
def clone(made, tmp_path):
    """The same to change."""
    return copy_of(made, tmp_path / "clone")


def _run(clone, *arguments):
    return run(*arguments, cwd=clone, check=False, env_extra={"PYTHONPATH": str(ROOT)})


def _by_run(clone, *arguments):
    """As ``./run dvc`` calls it (``test_run`` looks that it does)."""
    return _run(clone, sys.executable, "-m", "flows.run_dvc", *arguments)


def test_dvc_ends_with_why_its_stage_failed_and_with_its_own_status(clone):
    plain, ours = _run(clone, "dvc", "repro", "checks"), _by_run(clone, "repro", "checks")
    assert plain.stderr.splitlines()[-1].startswith("ERROR: failed to reproduce 'checks'"), "else this is not needed"
    assert ours.stderr.splitlines() == [*plain.stderr.splitlines(), WRONG]
    assert ours.returncode == plain.returncode != 0


def test_each_of_several_reasons_is_said_once(clone):
    done = _by_run(clone, "repro", "--keep-going", "checks", "breaks")
    assert sorted(done.stderr.splitlines()[-2:]) == ["error: breaks broke off: KeyError: 'no such key'", WRONG]


def test_nothing_is_added_where_all_went_well_or_no_stage_ran(clone):
    assert (_by_run(clone, "repro", "writes").stderr, (clone / "written").read_text()) == ("", "1\n")
    plain, ours = _run(clone, "dvc", "repro", "nothing"), _by_run(clone, "repro", "nothing")
    assert (ours.stderr, ours.returncode) == (plain.stderr, plain.returncode)


def test_an_interrupted_stage_has_the_last_word(clone):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.run_dvc", "repro", "waits"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (clone / "up").exists():
        assert process.poll() is None, process.stderr.read()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert said.splitlines()[-1] == "interrupted: what was finished is kept; run the same command again, it goes on"


def test_a_stage_interrupted_before_it_listens_says_how_to_go_on(clone):
    """Ctrl-C while Python starts: nothing of ours runs yet in the stage that could say anything."""
    done = _by_run(clone, "repro", "starts")
    assert done.returncode != 0
    assert "exited with -2" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("interrupted: what was finished is kept; run the same command again")


def test_ctrl_c_between_two_stages_says_how_to_go_on(clone):
    for ends in ("raise KeyboardInterrupt", "return 252"):  # before DVC listens for it; as DVC itself ends
        code = f"import sys, dvc.cli\ndef main(_):\n    {ends}\ndvc.cli.main = main\n"
        code += "from flows.run_dvc import main\nsys.exit(main(['repro']))"
        done = _run(clone, sys.executable, "-c", code)
        assert done.returncode == 252
        assert done.stderr == "interrupted: what was finished is kept; run the same command again, it goes on\n"


def test_a_reason_of_many_lines_is_shortened_to_the_first_and_the_last(tmp_path):
    lines = ["error: params.yaml: 9 mistakes", *(f"  mistake {i}" for i in range(9))]
    (tmp_path / "reason").write_text("\n".join(lines) + "\0error: x\0")
    assert reasons(tmp_path / "reason") == [f"{lines[0]}\n  … as above …\n{lines[-1]}", "error: x"]


def test_a_stages_message_ends_with_the_reason_in_the_flow(clone, monkeypatch):
    import asyncio

    async def listen(_line):
        pass

    monkeypatch.chdir(clone)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(StageFailedError) as caught:
        asyncio.run(reproduce("checks", listen, force=False, environment={}))
    assert str(caught.value).splitlines()[-1] == WRONG


def test_the_flow_ends_with_the_reason_of_each_failed_stage():
    message = f"Task run encountered an exception StageFailedError: stage a failed with status 1:\nmore\n{WRONG}"
    states = {"a": Failed(message=message), "b": skipped("needs a"), "c": Completed()}
    with pytest.raises(PipelineFailedError) as caught:
        raise_on_failure(states)
    lines = str(caught.value).splitlines()
    assert lines == ["failed: a; skipped for it: b", f"a: {WRONG.removeprefix('error: ')}"]


def test_what_is_no_yaml_is_said_with_its_line(clone):
    """DVC ends such a run before any stage begins, with its parser's own words."""
    (clone / "params.yaml").write_text("a: 1\nb: [1, 2\n")
    last = _by_run(clone, "repro").stderr.splitlines()[-1]
    assert last.startswith("error: params.yaml, line ")


def test_data_that_vanished_are_said_to_be_the_data_set(clone):
    """DVC would end with a bare "No such file" or "does not exist", before any stage could say what the file is for."""
    params = read_yaml(ROOT / "params.yaml")
    params["ingest"]["adapter"] = "folder"
    params["ingest"]["sources"]["folder"] |= {"csv": "gone/labels.csv", "images": "gone"}
    with (clone / "params.yaml").open("w") as stream:
        YAML().dump(params, stream)
    (clone / "models").symlink_to(ROOT / "models")
    (clone / "cells.yaml").write_text(READS)
    last = _by_run(clone, "repro", "reads").stderr.splitlines()[-1]
    assert last.startswith("error: ingest.adapter folder reads gone/labels.csv (table), gone (images), and nothing is")
    another = _by_run(clone, "repro", "nothing").stderr.splitlines()[-1]
    assert another == _run(clone, "dvc", "repro", "nothing").stderr.splitlines()[-1], "what else is wrong is not hidden"
    done = _run(clone, sys.executable, "-m", "flows.augment")
    assert (done.returncode, done.stderr.strip().splitlines()) == (1, [last]), "before a server is started"

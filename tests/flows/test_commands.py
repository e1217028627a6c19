"""The commands of the flow where they can't work, and what they tell of themselves."""

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from flow_graphs import CELLS
from prefect.settings import PREFECT_API_URL, temporary_settings
from server import small_clone

COMMANDS = {
    "flows.augment": ["--dry-run"],
    "flows.serve": [],
    "flows.worker": ["--pool", "lab"],
    "pipeline_steps.select_subset": [part for x in ("dataset", "groups", "out", "metrics") for part in (f"--{x}", "x")],
}
# What people type that needs no git.
TYPED = {
    "pipeline_steps.adopt": ["."],
    "pipeline_steps.check": [],
    "pipeline_steps.compare": [],
    "pipeline_steps.configure": ["toy"],
    "pipeline_steps.download": [],
    "pipeline_steps.export": ["predictions", "out"],
    "pipeline_steps.forget": ["x"],
    "flows.run_dvc": ["repro"],
}
# Prefect takes seconds to import: these are called in the tests' process where that shows the same.
FLOWS = [command for command in COMMANDS if command.startswith("flows.")]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The files as a ZIP download has them: no .git."""
    folder = tmp_path_factory.mktemp("archive") / "equiderm"
    small_clone(folder, CELLS)
    shutil.rmtree(folder / ".git")
    return folder


def _said_by(command, folder, root):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | {"PYTHONPATH": str(root)}
    environment |= {"PREFECT_API_URL": "http://127.0.0.1:9/api"} if command == "flows.worker" else {}
    arguments = [sys.executable, "-m", command, *(COMMANDS | TYPED)[command]]
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_an_archive_without_git_is_named_with_the_remedy(archive, command):
    done = _said_by(command, archive, archive)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("error: ")
    if command == "pipeline_steps.select_subset":  # needs no git: what it lacks is its input
        assert done.stderr == "error: x/manifest.parquet does not exist: 'dvc repro' makes what this stage reads\n"
    else:
        assert "not a git repository" in done.stderr
        assert "git init && git add -A && git commit -m start" in done.stderr


@pytest.mark.parametrize(
    "command", [c for c in (*COMMANDS, *TYPED) if not c.startswith("flows.") or c == "flows.run_dvc"]
)
def test_a_command_from_a_subfolder_is_told_where_to_run(archive, command):
    shutil.rmtree(archive / "docs/empty", ignore_errors=True)
    (archive / "docs/empty").mkdir()
    done = _said_by(command, archive / "docs/empty", archive)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == (255 if command == "flows.run_dvc" else 1), "DVC has a status of its own"
    assert len(done.stderr.splitlines()) == (2 if command == "flows.run_dvc" else 1), "and a line"
    assert last.startswith("error: ")
    assert "run from the repository's root" in last
    if command != "pipeline_steps.select_subset":  # which DVC calls, at the root
        assert last.endswith(f"('cd {archive}')")
        (archive / "docs/empty").rmdir()  # nothing was left there


def test_every_command_that_people_type_is_tried_from_a_subfolder():
    stages = (ROOT / "dvc.yaml").read_text("utf-8")
    verbs = {f"pipeline_steps.{f.stem}" for f in (ROOT / "pipeline_steps").glob("*.py") if "__main__" in f.read_text()}
    assert {v for v in verbs if not re.search(rf"{v}\b", stages)} == {
        v for v in TYPED if v.startswith("pipeline_steps")
    }


@pytest.mark.parametrize("command", FLOWS)
def test_a_command_of_the_flow_from_a_subfolder_is_told_where_to_run(monkeypatch, command):
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setattr("sys.argv", [command, *COMMANDS[command]])
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(SystemExit, match=rf"^error: [^\n]*run from the repository's root[^\n]* \('cd {ROOT}'\)$"),
    ):
        importlib.import_module(command).main()


def test_an_archive_without_hidden_files_is_told_so(archive, tmp_path):
    (tmp_path / "dvc.yaml").write_text(CELLS)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    done = _said_by("flows.augment", tmp_path, archive)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "has no folder .dvc, so DVC does not know it: copy the hidden files, too" in done.stderr


@pytest.mark.parametrize("command", ["augment", "serve", "worker"])
def test_ctrl_c_while_a_command_imports_is_no_traceback(command, tmp_path):
    (tmp_path / "dvc.py").write_text("raise KeyboardInterrupt")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-m", f"flows.{command}", *(["--pool", "a"] if command == "worker" else [])]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGINT
    assert done.stderr == "\ninterrupted: what was finished is kept; the next run goes on from there\n"


def test_nothing_is_reported_to_anybody():
    ask = (
        "import os, flows.augment; from prefect.settings import get_current_settings as now; "
        "print(now().server.analytics_enabled, os.environ['DO_NOT_TRACK'])"
    )
    names = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False 1\n"


@pytest.mark.parametrize("command", ["augment", "serve", "worker", "automations"])
def test_help_has_an_example_that_is_its_own_command(command, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [command, "--help"])
    with pytest.raises(SystemExit):
        importlib.import_module(f"flows.{command}").main()
    said = capsys.readouterr().out
    assert "example:\n" in said
    assert f"python -m flows.{command} --" in said.split("example:\n")[1]
    assert ("dvc repro" in said) == (command != "automations"), "what it calls"

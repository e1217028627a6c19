"""The commands of the flow where they can't work, and what they tell of themselves."""

import importlib
import os
import shutil
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
    "pipeline_steps.configure": ["toy"],
    "pipeline_steps.select_subset": [part for x in ("dataset", "groups", "out", "metrics") for part in (f"--{x}", "x")],
}


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
    arguments = [sys.executable, "-m", command, *COMMANDS[command]]
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "pipeline_steps.configure"])
def test_an_archive_without_git_is_named_with_the_remedy(archive, command):
    done = _said_by(command, archive, archive)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("error: ")
    if command == "pipeline_steps.select_subset":  # needs no git: what it lacks is its input
        assert done.stderr == "error: x/manifest.parquet does not exist: 'dvc repro' makes what this stage reads\n"
    else:
        assert "not a git repository" in done.stderr
        assert "git init && git add -A && git commit -m start" in done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("pipeline_steps.")])
def test_a_command_from_a_subfolder_is_told_where_to_run(archive, command):
    done = _said_by(command, archive / "docs", archive)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("error: ")
    assert "run from the repository's root" in done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("flows.")])
def test_a_command_of_the_flow_from_a_subfolder_is_told_where_to_run(monkeypatch, command):
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setattr("sys.argv", [command, *COMMANDS[command]])
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(SystemExit, match=r"^error: [^\n]*run from the repository's root[^\n]*$"),
    ):
        importlib.import_module(command).main()


def test_an_archive_without_hidden_files_is_told_so(archive, tmp_path):
    (tmp_path / "dvc.yaml").write_text(CELLS)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    done = _said_by("flows.augment", tmp_path, archive)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "has no folder .dvc, so DVC does not know it: copy the hidden files, too" in done.stderr


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

"""What the commands that people type have in common."""

import argparse
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run

from pipeline_steps.stage.command import arguments, errors_in_a_line
from pipeline_steps.stage.errors import DataError


def _parser():
    made = argparse.ArgumentParser()
    made.add_argument("folder", type=Path)
    made.add_argument("--name", default="a")
    return made


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["command", "photographs"])
    monkeypatch.delenv("EQUIDERM_CALLED_FROM", raising=False)
    return tmp_path


def test_in_the_project_paths_are_as_they_were_typed(project):
    assert vars(arguments(_parser())) == {"folder": Path("photographs"), "name": "a"}


def test_in_a_folder_of_the_project_it_says_where_to_go(project, monkeypatch):
    monkeypatch.chdir(project / "docs")
    with pytest.raises(SystemExit) as ended:
        arguments(_parser())
    assert ended.value.code == (
        f"error: {project / 'docs'} has no dvc.yaml: run from the repository's root ('cd {project}')"
    )


def test_help_is_given_anywhere(project, monkeypatch, capsys):
    monkeypatch.chdir(project / "docs")
    monkeypatch.setattr(sys, "argv", ["command", "--help"])
    with pytest.raises(SystemExit, match=r"^0$"):
        arguments(_parser())
    assert "usage: command" in capsys.readouterr().out


def test_an_error_is_a_line():
    with pytest.raises(SystemExit, match=r"^error: no such image$"), errors_in_a_line():
        raise DataError("no such image")


@pytest.mark.parametrize(("folder", "expected"), [(".", "photographs"), ("docs", "{project}/docs/photographs")])
def test_by_run_a_path_is_of_the_folder_in_which_it_was_typed(project, folder, expected):
    """``./run`` goes to the project's folder, wherever it is called; it must not adopt that in place of photographs."""
    shutil.copy2(ROOT / "run", project / "run")
    (project / ".uv/bin").mkdir(parents=True)
    (project / ".uv/bin/uv").write_text('#!/bin/sh\nshift 2; exec "$@"\n')
    (project / ".uv/bin/uv").chmod(0o755)
    script = "import argparse, pathlib; from pipeline_steps.stage.command import arguments; "
    script += "made = argparse.ArgumentParser(); made.add_argument('folder', type=pathlib.Path); "
    script += "print(arguments(made).folder)"
    command = [str(project / "run"), sys.executable, "-c", script, "photographs"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "EQUIDERM_CALLED_FROM": "/left"}
    done = run(*command, cwd=project / folder, env_extra=environment)
    assert done.stdout.strip() == expected.format(project=project)

"""A stage whose code or parameters are changed while it works is not recorded."""

import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

STAGE = '''"""A stage that waits for its caller's word."""

from pathlib import Path

from pipeline_steps.stage import errors
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import run
from pipeline_steps.stage.threads import Threads

if __name__ == "__main__":

    def main():
        read_params(Threads, "compute")
        print("reading is done", flush=True)
        input()
        Path("out").write_text(errors.__name__)

    run(main)
'''


@pytest.fixture
def clone(tmp_path):
    shutil.copytree(ROOT / "pipeline_steps", tmp_path / "pipeline_steps", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pipeline_steps" / "waits.py").write_text(STAGE)
    (tmp_path / "params.yaml").write_text("compute: {threads: 1}\nother: 1\n")
    return tmp_path


def _ends(clone, change):
    """The stage's status and last line (empty where it said nothing) when ``change`` is made while it works."""
    command = [sys.executable, "-m", "pipeline_steps.waits"]
    stage = subprocess.Popen(
        command, cwd=clone, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert stage.stdout.readline() == "reading is done\n"
    change()
    _, said = stage.communicate("\n", timeout=120)
    return stage.returncode, said.strip().rpartition("\n")[2]


def _append(file, text="# edited\n"):
    file.write_text(file.read_text() + text)


def test_code_that_ran_and_was_edited_meanwhile_ends_the_stage(clone):
    status, last = _ends(clone, lambda: _append(clone / "pipeline_steps/stage/errors.py"))
    assert status == 1
    assert "pipeline_steps/stage/errors.py" in last
    assert "run again" in last


def test_the_stages_own_file_counts_and_so_does_what_lies_beside_code(clone):
    status, last = _ends(clone, lambda: _append(clone / "pipeline_steps/waits.py"))
    assert (status, "pipeline_steps/waits.py" in last) == (1, True)
    status, last = _ends(clone, lambda: _append(clone / "pipeline_steps/reporting/page.html"))
    assert (status, "pipeline_steps/reporting/page.html" in last) == (1, True)


def test_parameters_that_were_read_and_changed_meanwhile_end_the_stage(clone):
    change = lambda: (clone / "params.yaml").write_text("compute: {threads: 2}\nother: 1\n")  # noqa: E731
    status, last = _ends(clone, change)
    assert (status, "params.yaml: compute" in last) == (1, True)


def test_what_a_stage_does_not_run_or_read_may_change(clone):
    def change():
        _append(clone / "pipeline_steps/split.py")
        (clone / "params.yaml").write_text("# a comment\ncompute: {threads: 1}\nother: 2\n")

    assert _ends(clone, change) == (0, "")
    assert (clone / "out").read_text() == "pipeline_steps.stage.errors"

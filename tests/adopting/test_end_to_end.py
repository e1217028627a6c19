"""From a folder of photographs to a report, by the commands that docs/own_photographs.md names."""

import re
import sys

import pytest
from conftest import ROOT, copy_tree, repro, run
from own_photographs import practice

from pipeline_steps import adopt, check

PAGE = (ROOT / "docs/own_photographs.md").read_text("utf-8")


@pytest.mark.slow
def test_a_practices_photographs_reach_a_report(tmp_path):
    practice(tmp_path / "Fotos")
    clone = copy_tree(tmp_path / "clone")

    def command(name, *arguments):
        return run(sys.executable, "-m", f"pipeline_steps.{name}", *arguments, cwd=clone).stdout

    command("adopt", str(tmp_path / "Fotos"), "--codes", "pso=psoriasis", "--like", "toy", "--name", "trial")
    command("configure", "trial")
    assert "nothing in sight that would stop a run" in command("check", "--probe", "0")
    repro(clone)
    assert "psoriasis" in (clone / "report/index.html").read_text("utf-8")
    assert not run("git", "status", "--short", "adopted", cwd=clone).stdout


@pytest.mark.parametrize("command", ["adopt", "check"])
def test_every_flag_that_the_page_names_is_one(command):
    parser = {"adopt": adopt, "check": check}[command]._parser()
    own = {flag for action in parser._actions for flag in action.option_strings}
    part = PAGE.partition("## 2. Check")[0 if command == "adopt" else 2].partition("## 3. Run")[0]
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", part)) <= own

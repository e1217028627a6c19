"""The check before the first stage: what it stops, and what it leaves alone."""

import copy
import itertools
import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT, repro, run
from ruamel.yaml import YAML
from spoilt import DEFAULT

from pipeline_steps.configuration.check import check, checked_cells
from pipeline_steps.stage.params import ParamsError


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def params():
    return copy.deepcopy(DEFAULT)


def test_the_check_imports_nothing_heavy():
    ask = "import sys; from pipeline_steps import check_params, configure; print(sorted(sys.modules))"
    loaded = run(sys.executable, "-c", ask, cwd=ROOT).stdout
    heavy = [
        name for name in ("torch", "diffusers", "timm", "transformers", "pandas", "scipy") if f"'{name}'" in loaded
    ]
    assert heavy == []


def _checked(tmp_path, params, cells=None):
    yaml = YAML()
    for name, value in (("params.yaml", params), ("cells.yaml", {"cells": cells or checked_cells(params)})):
        with (tmp_path / name).open("w") as stream:
            yaml.dump(value, stream)
    check(tmp_path / "params.yaml", tmp_path / "cells.yaml")


def test_cells_that_are_not_what_the_grid_expands_to_are_refused_with_the_command(tmp_path, params):
    _checked(tmp_path, params)
    cells = checked_cells(params)
    params["augmenters"]["majority_to_minority"]["adapter"] = "lora_names"
    with pytest.raises(
        ParamsError, match=r"generate@majority_to_minority-iii-0.*run: python -m pipeline_steps\.configure --cells$"
    ):
        _checked(tmp_path, params, cells)
    (tmp_path / "cells.yaml").write_text("nothing\n")
    with pytest.raises(ParamsError, match=r"run: python -m pipeline_steps\.configure --cells$"):
        check(tmp_path / "params.yaml", tmp_path / "cells.yaml")


def test_a_mistake_stops_all_before_the_first_stage_and_a_match_makes_nothing_stale(toy_copy):
    params = toy_copy / "params.yaml"
    right = params.read_text()
    params.write_text(right.replace("resize: center_crop", "resize: crop"))
    done = run("dvc", "repro", cwd=toy_copy, check=False)
    assert done.returncode != 0
    assert "error: params.yaml: ingest.resize is 'crop'" in done.stderr
    assert set(re.findall(r"Running stage '([^']+)'", done.stdout)) == {"check_params"}
    params.write_text(right.replace("encoder: resnet18", "encoder: resnet34"))  # no segmenter is in the grid
    assert repro(toy_copy, "screen") == {"check_params"}


@pytest.mark.slow
def test_numbers_are_swept_by_dvc_and_wiring_is_refused(toy_copy):
    """Two queued values are two experiments; an adapter changed by -S stops at the check, and in the stage alone."""
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "toy", cwd=toy_copy)
    cell = "majority_to_minority-iii-0"
    sweep = "augmenters.majority_to_minority.guidance_scale=1.5,3.0"
    run("dvc", "exp", "run", "--queue", "-S", sweep, f"generate@{cell}", cwd=toy_copy)
    run("dvc", "exp", "run", "--run-all", cwd=toy_copy)
    shown = json.loads(run("dvc", "exp", "show", "--json", cwd=toy_copy).stdout)
    values = re.findall(r'"guidance_scale": ([\d.]+)', json.dumps([e for e in shown if e.get("experiments")]))
    assert {"1.5", "3.0"} <= set(values)
    wirings = {"inversion=null": "cells.yaml is not what the grid", "adapter=lora_labels": "which is not defined"}
    for (key, said), alone in itertools.product(wirings.items(), ([], ["--single-item"])):
        wiring = f"augmenters.majority_to_minority.{key}"
        done = subprocess.run(
            ["dvc", "exp", "run", *alone, "-S", wiring, f"generate@{cell}"],
            cwd=toy_copy,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert ("its cell is wired to" if alone else said) in done.stderr
        assert "python -m pipeline_steps.configure --cells" in done.stderr
        run("git", "checkout", "-q", "params.yaml", "dvc.lock", cwd=toy_copy)

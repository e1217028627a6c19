"""Stages that compute nothing on a device start without the libraries that do: those take seconds to import."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

HEAVY = ("torch", "torchvision", "timm", "diffusers", "transformers", "peft", "sklearn", "prefect")
LIGHT = ("check_params", "pin_model", "ingest", "select_subset", "split", "caption", "report", "forget")


ASK = f"""
import importlib, json, sys
seen = {{}}
for stage in {LIGHT!r}:
    before = set(sys.modules)
    importlib.import_module(f"pipeline_steps.{{stage}}")
    seen[stage] = [name for name in {HEAVY!r} if name in sys.modules and name not in before]
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def imported():
    """What heavy libraries each stage imports that those before it did not, in one process for all."""
    done = subprocess.run([sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("stage", LIGHT)
def test_a_stage_without_a_device_imports_nothing_heavy(stage, imported):
    assert imported[stage] == []

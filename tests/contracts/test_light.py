"""Stages that compute nothing on a device start without the libraries that do: those take seconds to import."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

HEAVY = ("torch", "torchvision", "timm", "diffusers", "transformers", "peft", "sklearn", "prefect")
LIGHT = ("check_params", "pin_model", "ingest", "select_subset", "split", "caption", "report", "forget")


@pytest.mark.parametrize("stage", LIGHT)
def test_a_stage_without_a_device_imports_nothing_heavy(stage):
    ask = f"import json, sys, pipeline_steps.{stage}; print(json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []

"""A killed run leaves no writer, and the next one goes on; what is missing is one clear line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warm
from conftest import overlaid, run

from pipeline_steps.stage.params import read_yaml

ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_killing_dvc_leaves_no_writer_and_the_next_run_mends(toy_copy):
    params = toy_copy / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("updates: 6", "updates: 4000"))
    stage = "train_classifier@real-resnet_small-iii-0"
    env = {**ENVIRONMENT, "SHELL": "/bin/sh"}  # which forks where bash would exec
    process = subprocess.Popen(["dvc", "repro", "-s", stage], cwd=toy_copy, env=env, stdout=subprocess.DEVNULL)
    _wait_for(lambda: _children(toy_copy), "the stage to start")
    time.sleep(3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_for(lambda: not _children(toy_copy), "the stage to die with its parent")
    params.write_text(text)
    before = read_yaml(toy_copy / "dvc.lock")["stages"][stage]["outs"]
    run("dvc", "repro", "-s", stage, cwd=toy_copy)
    assert read_yaml(toy_copy / "dvc.lock")["stages"][stage]["outs"] == before


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_checkpoint(toy_copy):
    overlay = {"preview_every": 0, "training": {"steps": 12, "checkpoint_every": 3, "validate_every": 3}}
    params = toy_copy / "params.yaml"
    params.write_text(overlaid(params.read_text(), {"adapters": {"lora_tokens": overlay}}))
    stage = next(s for s in read_yaml(toy_copy / "dvc.lock")["stages"] if s.startswith("finetune@lora_tokens"))
    command = ["dvc", "repro", "-s", stage]
    process = subprocess.Popen(command, cwd=toy_copy, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    _wait_for(lambda: list((toy_copy / "runs/checkpoints").glob("*.pt")), "a checkpoint")
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_for(lambda: not _children(toy_copy), "the stage to die with its parent")
    done = run(*command, cwd=toy_copy)
    assert "resumed after step" in done.stdout + done.stderr
    interrupted = read_yaml(toy_copy / "dvc.lock")["stages"][stage]["outs"]
    run(*command, "--force", cwd=toy_copy)
    assert read_yaml(toy_copy / "dvc.lock")["stages"][stage]["outs"] == interrupted


def _children(clone):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            if b"pipeline_steps." in command and (entry / "cwd").resolve() == clone.resolve():
                found.append(entry.name)
        except OSError:
            continue
    return found


def _wait_for(condition, what):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError(f"waited 120 s for {what}")


def test_a_missing_base_model_is_one_clear_line(toy_copy):
    params = toy_copy / "params.yaml"
    params.write_text(params.read_text().replace("location: models/base/phantom-sd", "location: models/base/gone"))
    command = ["-m", "pipeline_steps.invert_tokens", "--inversion", "tokens", "--dataset", "data/dataset"]
    command += ["--base", "sd", "--weights", "models/base/gone"]
    command += ["--split", "data/splits/iii-0.parquet", "--out", "x"]
    done = run("python", *command, cwd=toy_copy, check=False, env_extra=warm.environment())
    assert done.returncode == 1
    assert "error: base model 'models/base/gone'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (toy_copy / "x").exists()

"""Parameters as a stage reads them."""

import gc

import pytest

import pipeline_steps
from pipeline_steps.stage import params as stage_params
from pipeline_steps.stage.params import read_params
from pipeline_steps.stage.run import run
from pipeline_steps.stage.threads import Threads


def test_params_that_would_build_objects_are_refused(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("compute: !!python/object/apply:os.system [id]\n")
    with pytest.raises(ValueError, match=r"params\.yaml"):
        read_params(Threads, "compute", file)
    file.write_text("compute: {threads: two, extra: 1}\n")
    with pytest.raises(ValueError, match=r"compute\.threads.*\n.*compute\.extra"):
        read_params(Threads, "compute", file)


def test_a_stage_collects_garbage_while_it_works(tmp_path, monkeypatch):
    monkeypatch.setattr(stage_params, "_READ", {})  # other tests read files that have changed since
    monkeypatch.chdir(tmp_path)
    usual, seen = gc.get_threshold(), []
    gc.set_threshold(200_000, 20, 20)  # as `python -m pipeline_steps.…` imports
    try:
        run(lambda: seen.append(gc.get_threshold()))
    finally:
        gc.set_threshold(*usual)
    assert seen == [pipeline_steps.COLLECTION], "what Python had before the imports"

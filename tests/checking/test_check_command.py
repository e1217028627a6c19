"""What check says of a data set is what the stages would make of it; what would stop a run stops it with status 1."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from own_photographs import practice, workspace
from PIL import Image

from pipeline_steps import adopt, check, configure
from pipeline_steps.checking.cost import Work, estimate, work
from pipeline_steps.checking.found import Findings, shown
from pipeline_steps.checking.measured import Probed, Rate, probe
from pipeline_steps.checking.pixels import sample
from pipeline_steps.checking.plan import SPLIT, Task, parameters, tasks
from pipeline_steps.configuration.profiles import library, made
from pipeline_steps.stage.params import read_yaml


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(workspace(tmp_path / "project", ROOT))
    return tmp_path / "Fotos"


def _call(monkeypatch, main, *arguments):
    monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
    main()


def _chosen(place, monkeypatch, *arguments, change=lambda table: table):
    path = practice(place, kind="semicolons")
    path.write_text(change(path.read_text()))
    _call(monkeypatch, adopt.main, place, "--codes", "pso=psoriasis", *arguments)
    _call(monkeypatch, configure.main, "fotos")


def _checked(monkeypatch, capsys, *arguments):
    """What check prints, and why it ends."""
    capsys.readouterr()
    try:
        _call(monkeypatch, check.main, "--probe", "0", *arguments)
    except SystemExit as end:
        return capsys.readouterr().out, str(end)
    return capsys.readouterr().out, ""


def test_a_sound_set_is_said_to_be_one(place, monkeypatch, capsys):
    _chosen(place, monkeypatch)
    said, stopped = _checked(monkeypatch, capsys)
    assert not stopped
    assert "96 images: 96 with a file, 12 of unknown skin type" in said
    assert "48 patients (0 images without)" in said
    assert "nothing in sight that would stop a run" in said
    assert "majority_to_minority: in the grid" in said
    assert "images have no mask): skindualgen" in said.replace("\n            ", " ")


def test_pictures_that_are_no_good_are_counted_and_shown(place, monkeypatch, capsys):
    practice(place)
    (place / "Bilder/IMG_0.jpg").write_bytes((place / "Bilder/IMG_0.jpg").read_bytes()[:200])
    Image.new("RGB", (80, 80), (3, 3, 3)).save(place / "Bilder/IMG_1.jpg")
    Image.new("RGB", (80, 80), (150, 120, 90)).save(place / "Bilder/IMG_2.jpg")
    Image.new("RGB", (80, 80), (150, 120, 90)).save(place / "Bilder/IMG_3.jpg")
    _call(monkeypatch, adopt.main, place, "--codes", "pso=psoriasis")
    _call(monkeypatch, configure.main, "fotos")
    said, stopped = _checked(monkeypatch, capsys)
    assert not stopped
    line = next(line for line in said.splitlines() if line.startswith("pixels"))
    assert {"1 unreadable", "1 dark", "3 blurred", "1 copies of others"} <= {*line.partition(": ")[2].split(", ")}
    page = Path("runs/check/index.html").read_text("utf-8")
    assert "IMG_0" in page
    assert "the same pixels as IMG_2" in page


def test_a_run_that_would_stop_is_said_with_the_remedy_and_status_1(place, monkeypatch, capsys):
    _chosen(place, monkeypatch)
    text = Path("params.yaml").read_text("utf-8")
    Path("params.yaml").write_text(text.replace("flexible_per_condition: 6", "flexible_per_condition: 40"), "utf-8")
    said, stopped = _checked(monkeypatch, capsys)
    assert "iii  no:" in said
    assert "a run would stop: split:" in stopped
    assert "lower split.flexible_per_condition" in stopped


def test_a_folder_that_is_gone_stops_a_run(place, monkeypatch, capsys):
    _chosen(place, monkeypatch)
    for picture in (place / "Bilder").iterdir():
        picture.unlink()
    _, stopped = _checked(monkeypatch, capsys)
    assert "a run would stop: ingest: none of the 96 images" in stopped


def test_blanks_that_tell_the_condition_are_said(place, monkeypatch, capsys):
    def blank(table):
        rows = [re.sub(";(II|III|V);", ";;", r) if ";NEV;" in r else r for r in table.splitlines()]
        return "\n".join(rows)

    _chosen(place, monkeypatch, "--minority", "6", change=blank)
    said, _ = _checked(monkeypatch, capsys, "--pixels", "5")
    assert "what is missing TELLS the condition" in said
    assert "5 of 96 looked at" in said


def test_a_sample_is_drawn_by_seed_from_what_is_there_alone():
    there = [i % 3 > 0 for i in range(100)]
    assert sample(there, 10, 0) == sample(there, 10, 0) != sample(there, 10, 1)
    assert all(there[i] for i in sample(there, 10, 0))
    assert sample(there, 0, 0) == [i for i in range(100) if there[i]]


def test_lines_are_short_enough_to_read():
    text = shown([("part", "word " * 60), ("part", "more")])
    assert max(map(len, text.splitlines())) <= 120
    assert text.split() == ["part", *["word"] * 60, "more"]


@pytest.mark.parametrize("profile", ["default", "toy", "pad_ufes", "pad_ufes_sex", "phantom_full"])
def test_a_probe_runs_every_kind_of_work_of_the_grid(profile, monkeypatch):
    monkeypatch.chdir(ROOT)
    params, cells = made(profile).params, made(profile).cells
    small = parameters(params, library("default").params)
    planned = list(tasks(small, cells, read_yaml(ROOT / "dvc.yaml")["stages"]))
    splits = {(s, d): pd.DataFrame({"partition": ["train"] * 20}) for s in ("i", "ii", "iii") for d in range(5)}
    kinds = {kind for task in planned for kind in task.kinds}
    assert {w.kind for w in work(params, cells, splits, 100)} <= kinds
    assert not [a for task in planned for a in task.arguments if "${" in a]
    of_cells = [t for t in planned if " " in t.kinds[0] and t.kinds[0].split()[0] in {"finetune", "generate"}]
    assert all(any(SPLIT in a for a in t.arguments) for t in of_cells)


def test_the_work_of_a_run_is_what_its_grid_says():
    params, cells = made("default").params, made("default").cells
    splits = {("iii", 0): pd.DataFrame({"partition": ["train"] * 100 + ["test"] * 9})}
    found = {w.kind: (w.stages, w.units) for w in work(params, cells, splits, 500)}
    assert found["ingest"] == (1, 500)
    assert found["invert_tokens tokens"] == (1, params["inversions"]["tokens"]["training"]["steps"])
    assert found["generate majority_to_minority"] == (1, 100)  # of 175 sources there are 100
    assert found["train_classifier resnet_small"] == (3, params["classifier"]["updates"])


def test_an_estimate_is_stages_times_their_work_and_says_what_it_lacks():
    found = Findings()
    works = [Work("split", 1, 1, ""), Work("finetune a", 2, 1800, "steps"), Work("finetune b", 1, 10, "steps")]
    probed = Probed(
        {"finetune a": Rate(0.0, 1.0, 1e6), "split": Rate(0, 0, 0)}, {"finetune b": "no weights"}, 0, 100, 0, 9
    )
    estimate(works, probed, 8, (10, 10), found)
    text = shown(found.lines)
    assert "at least 1.0 hours for 4 stages" in text
    assert "not measured: finetune b: no weights" in text
    probed = probed._replace(rates={"finetune a": Rate(0.0, 1.0, 1e18)})
    estimate(works, probed, 8, (10, 10), found)
    assert "make room" in found.stops[0]


def test_a_probe_measures_in_a_folder_of_its_own_and_ends_in_time(tmp_path, monkeypatch):
    monkeypatch.chdir(workspace(tmp_path / "project", ROOT))
    (tmp_path / "project/slow.py").write_text("import time\ndef main(): time.sleep(60)\n")
    module = "pipeline_steps.check_params"
    several = [
        Task(["a"], module, ["--out", "data/a.txt"], {}, 1, 1.0, "data/a.txt"),
        Task(["b"], "slow", [], {}, 1),
    ]
    before = {f.name for f in (tmp_path / "project").iterdir()}
    found = probe(several, {"ingest": {}}, 6)
    assert {f.name for f in (tmp_path / "project").iterdir()} - {"__pycache__"} == before
    assert not found.rates
    assert set(found.failed) == {"a", "b"}
    assert "not reached within 6 s" in found.failed["b"]


@pytest.mark.slow
def test_a_probe_of_the_toy_profile_measures_all(monkeypatch):
    monkeypatch.chdir(ROOT)
    params, cells = made("toy").params, made("toy").cells
    small = parameters(params, library("default").params)
    found = probe(list(tasks(small, cells, read_yaml(ROOT / "dvc.yaml")["stages"])), small, 580)
    assert not found.failed
    assert found.rates["train_classifier resnet_small"].each > 0
    assert np.isfinite([rate.each for rate in found.rates.values()]).all()

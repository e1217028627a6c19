"""Parameters overridden for one run: refused when wrong, and taken back unless the run succeeds."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from server import small_clone

from flows import augment, serve
from flows.experiment import _dotted_keys, check_overrides, check_request
from flows.overrides import FOLDER, check_parameters, overridden, restore_overrides

# A stage of numbers, and a stage for each cell of the grid.
GRAPH = """
vars: [cells.yaml]
stages:
  numbers:
    cmd: exec python work.py write out/numbers
    deps: [work.py]
    params: [classifier.updates]
    outs: [out/numbers]
  generate:
    foreach: ${cells.generate}
    do:
      cmd: exec python work.py write data/synthetic/${key}
      deps: [work.py]
      params: ["augmenters.${item.augmenter}.mode"]
      outs: ["data/synthetic/${key}"]
"""


FILES = ("params.yaml", "cells.yaml", "dvc.lock")


def _commit(clone):
    run("git", "add", "-A", cwd=clone)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "ran", cwd=clone)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A small repository in which everything has run; tests leave it as it was."""
    made = small_clone(tmp_path_factory.mktemp("small") / "clone", GRAPH)
    run("dvc", "repro", "-q", cwd=made)
    run("git", "config", "user.name", "t", cwd=made)
    run("git", "config", "user.email", "t@t", cwd=made)
    _commit(made)
    return made


@pytest.fixture
def here(clone, monkeypatch):
    """The same, as the current folder."""
    monkeypatch.chdir(clone)
    before = _state(clone)
    yield clone
    assert _state(clone) == before


def _state(clone):
    outs = sorted(str(f.relative_to(clone)) for f in (clone / "data/synthetic").iterdir())
    return {name: (clone / name).read_bytes() for name in FILES}, outs


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("classifer.updates=3", "params.yaml has no classifer.updates; did you mean classifier.updates?"),
        ("classifier.updats=3", "did you mean classifier.updates?"),
        ("updates=3", "did you mean classifier.updates"),
        ("+classifer.updates=3", "did you mean classifier.updates?"),
        ("~classifer", "did you mean classifier?"),
        ("zzz=3", "params.yaml has compute, scoring, grid"),
        ("compute.zzz=3", "compute has threads"),
        ("compute.threads.x=3", "compute.threads is one value, with nothing below it"),
        ("classifier=3", "classifier is a section; name one of its parameters: "),
        ("classifier.updates", "is not understood: write KEY=VALUE"),
        ("classifier.updates = 3", "is not understood: write KEY=VALUE"),
        ("classifier.updates=[1", "is not understood: write KEY=VALUE"),
        ("=3", "is not understood: write KEY=VALUE"),
        ("classifier.updates=1,2", "gives several values, and a run has one"),
        ("classifier.updates=range(1,3)", "gives several values, and a run has one"),
        ("other.yaml:classifier.updates=3", "is not understood"),
    ],
)
def test_a_wrong_override_is_refused_in_our_own_words(here, override, said):
    with pytest.raises(ValueError, match=r"^-S ") as error, overridden([override]):
        pass
    assert said in str(error.value)
    assert "append" not in str(error.value)
    assert "hydra" not in str(error.value).lower()
    assert not FOLDER.exists()


PARAMS = load_yaml(str(ROOT / "params.yaml"))


NUMBERS = [key for key in _dotted_keys(PARAMS, "") if not any(part.isdigit() for part in key.split("."))]


def _value_of(key):
    value = PARAMS
    for part in key.split("."):
        value = value[part]
    return value


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_parameter_can_be_named_and_any_slip_in_its_name_is_told(data):
    key = data.draw(st.sampled_from([k for k in NUMBERS if not isinstance(_value_of(k), dict)]))
    folder = Path.cwd()
    os.chdir(ROOT)
    try:
        check_overrides([f"{key}=1", f"params.yaml:{key}=1"])
        place = data.draw(st.sampled_from([i for i, letter in enumerate(key) if letter != "."]))
        wrong = key[:place] + "qq" + key[place + 1 :]
        with pytest.raises(ValueError, match=r"did you mean|; \S+ has ") as error:
            check_overrides([f"{wrong}=1"])
    finally:
        os.chdir(folder)
    part = next(p for p, w in zip(key.split("."), wrong.split("."), strict=True) if p != w)
    assert part in str(error.value)


@pytest.fixture
def flow(here, monkeypatch, capsys):
    """The flow's command line, in this process: what it prints, and on which stream."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["flows.augment", *arguments])
        augment.main()
        return capsys.readouterr()

    return call


def test_a_wrong_override_is_found_before_a_server_is_started(flow, monkeypatch):
    monkeypatch.setattr(augment, "temporary_server", lambda: pytest.fail("a server is started"))
    with pytest.raises(SystemExit) as end:
        flow("-S", "classifer.updates=3")
    assert str(end.value.code).startswith(
        "error: -S classifer.updates=3: params.yaml has no classifer.updates; did you"
    )


@pytest.mark.parametrize(
    ("command", "server", "options"), [(augment, "temporary_server", ()), (serve, "start_server", ("--run",))]
)
def test_an_unknown_target_is_found_before_a_server_is_started(here, monkeypatch, command, server, options):
    monkeypatch.setattr(command, server, lambda *_: pytest.fail("a server is started"))
    monkeypatch.setattr("sys.argv", ["flows", *options, "--target", "genrate"])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == "error: no stage genrate (did you mean generate?); 'dvc stage list' names them"


def test_a_target_is_looked_for_in_the_grid_that_the_overrides_make(here):
    override = "grid.comparison.augmenters=[img2img_tokens_lora_untrained]"
    cells = load_yaml("cells.yaml")["cells"]["generate"]
    check_parameters((), tuple(f"generate@{key}" for key in cells), here=False)
    gone = next(key for key, cell in cells.items() if cell["augmenter"] != "img2img_tokens_lora_untrained")
    with pytest.raises(ValueError, match=f"no stage generate@{gone}"):
        check_parameters((override,), (f"generate@{gone}",), here=False)


def test_a_dry_run_plans_with_the_overridden_parameters(flow):
    usual = load_yaml("params.yaml")["classifier"]["updates"]
    said = flow("--dry-run", "-S", "classifier.updates=7")
    assert said.out.startswith("with -S classifier.updates=7 (params.yaml itself stays as it is)\n")
    assert f"classifier.updates {usual} → 7" in said.out
    assert said.out.endswith("\n1 of 5 stages may run\n")
    assert not said.err, "no run, so nothing that was as before it"


def test_a_dry_run_plans_another_wiring_and_drops_no_cell(flow):
    override = "grid.comparison.augmenters=[img2img_tokens_lora_untrained]"
    usual = flow("--dry-run").out.splitlines()[-1]
    planned = flow("--dry-run", "-S", override).out.splitlines()[-1]
    assert (usual, planned) == ("0 of 5 stages may run", "0 of 4 stages may run")
    with pytest.raises(SystemExit, match=r"names augmenters\.no_such_thing, which is not defined"):
        flow("--dry-run", "-S", "grid.comparison.augmenters=[no_such_thing]")


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_change_is_taken_back_however_the_run_ends(here, end, capsys):
    def go():
        with overridden(["classifier.updates=7"]):
            assert load_yaml("params.yaml")["classifier"]["updates"] == 7
            raise end

    with pytest.raises(end):
        go()
    assert "params.yaml is again as it was before the run" in capsys.readouterr().err
    assert not FOLDER.exists()


def test_a_change_that_is_kept_stays(here):
    before = Path("params.yaml").read_bytes()
    with overridden(["classifier.updates=7"]) as change:
        change.keep()
    assert load_yaml("params.yaml")["classifier"]["updates"] == 7
    Path("params.yaml").write_bytes(before)


def test_an_edit_by_hand_meanwhile_is_not_lost(here, capsys):
    before = Path("params.yaml").read_bytes()
    with overridden(["classifier.updates=7"]):
        Path("params.yaml").write_text("mine: 1\n")
    said = capsys.readouterr().err
    assert "params.yaml changed meanwhile and stayed so" in said
    assert Path("params.yaml").read_text() == "mine: 1\n"
    (left,) = Path("runs").glob("overridden.*.left")
    assert (left / "params.yaml").read_bytes() == before
    Path("params.yaml").write_bytes(before)


HOLD = """
import time
from flows.overrides import overridden
with overridden(["classifier.updates=7"]):
    print("changed", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_run_left_is_mended_by_the_next(flow):
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "changed\n"
    with pytest.raises(ValueError, match=rf"-S classifier.updates=7 \(process {process.pid} on .* has changed params"):
        restore_overrides()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert load_yaml("params.yaml")["classifier"]["updates"] == 7
    said = flow("--dry-run")
    assert said.err.startswith("a run with -S classifier.updates=7 was killed: params.yaml is again as it was before")
    assert said.out.endswith("\n0 of 5 stages may run\n")


def test_workers_compute_what_is_committed(here):
    with pytest.raises(ValueError, match="workers compute what is committed: write the change into"):
        check_request(("classifier.updates=7",), "", "lab")

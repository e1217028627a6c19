"""Clones of the working tree in which whole pipelines run, and small models built from configs.

The tree mirrors the source: a folder a room of ``pipeline_steps``, ``flows/`` for the flow, ``verbs/`` for the stages'
own modules, ``contracts/`` for laws over the whole repository, ``pipeline/`` for whole runs. What tests of several
files share lies beside this file, as plain modules.
"""

import contextlib
import copy
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models
import warm
from filelock import FileLock
from hub_cache import hub  # noqa: F401 (a fixture)

from pipeline_steps.configuration.comments import notes, written
from pipeline_steps.configuration.overlay import merged
from pipeline_steps.configuration.profiles import library
from pipeline_steps.stage.params import parsed

# Nothing here needs the hub; without a network, to ask it for what is missing takes most of a minute.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Two test processes share two cores: OpenMP threads of both would wait for each other in busy loops.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Imports and collected tests are a million objects that stay: no search for cycles looks at them again and again.
gc.set_threshold(200_000, 20, 20)

# A shell's background job ignores SIGINT, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("EQUIDERM_REAL_DATA", ROOT.parent / "shared" / "data"))


# Files of whole pipelines, the longest first: begun last, one would run alone at the end.
LONG = (
    "test_workers.py",
    "test_pipeline.py",
    "test_populations.py",
    "test_methods.py",
    "test_server.py",
    "test_end_to_end.py",
)

# What a machine may lack. Where EQUIDERM_STRICT_SKIPS is set, as in CI, another reason to skip a test is a failure.
EXPECTED_SKIPS = ("no CUDA GPU", "no real data", "no IPv6")


def pytest_collection_modifyitems(items):
    """Long files first; the others fill the gaps."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_collection_finish():
    """Leave what collecting has made out of all searches for cycles to come."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 10)


def pytest_sessionfinish(session):
    """Fail a strict session that skipped what it should have run."""
    gc.unfreeze()  # for libraries that look for what they have leaked
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("EQUIDERM_STRICT_SKIPS") or reporter is None or hasattr(session.config, "workerinput"):
        return
    reasons = {str(report.longrepr[2]).removeprefix("Skipped: ") for report in reporter.stats.get("skipped", [])}
    if unexpected := sorted(r for r in reasons if not r.startswith(EXPECTED_SKIPS)):
        reporter.write_line(f"unexpected skips: {'; '.join(unexpected)}", red=True)
        session.exitstatus = 1


def whole(profile="default"):
    """All parameters of a profile, those that its grid does not reach, too; captioners have their words."""
    with contextlib.chdir(ROOT):
        params = copy.deepcopy(library(profile).params)
    for captioner in params["captioners"].values():
        captioner["level_words"] = dict(params["population"]["words"][captioner["level_words"]])
    return params


def overlaid(text, overlay):
    """The text of a parameter file with other values."""
    head = "".join(line for line in text.splitlines(keepends=True)[:1] if line.startswith("#"))
    return head + written(merged(parsed(text, Path("params.yaml")), overlay), notes(text))


def run(*command, cwd, check=True, env_extra=None, **options):
    """Run a command with this environment's Python first on the path; output as text."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CI": "true", **(env_extra or {})}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=env, check=False, **options)
    if check and done.returncode:
        raise AssertionError(f"{command} failed with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


def repro(clone: Path, *arguments: str) -> set[str]:
    """``./run dvc repro`` in a clone, its stages forks of one process for all tests; the names of those that ran."""
    command = (sys.executable, "-m", "flows.dvc_command", "repro", *arguments)
    done = run(*command, cwd=clone, env_extra=warm.environment())
    return set(re.findall(r"Running stage '([^']+)'", done.stdout))


def copy_tree(to: Path, *, without: str = "") -> Path:
    """The working tree (tracked and new files, less those whose names end so) as a fresh repository with one commit."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file() and not (without and name.endswith(without)):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    # Forced, for the placeholders of empty folders lie where git ignores what is new.
    for args in (
        ["init", "-q"],
        ["-c", "core.compression=0", "add", "-A", "-f"],  # weights do not compress, and trying takes seconds
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"],
    ):
        run("git", *args, cwd=to)
    return to


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A clone in which the toy profile has run; read only, and one for all test processes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    clone, done = shared / "toy", shared / "toy.done"
    with FileLock(shared / "toy.lock"):
        if not done.exists():
            shutil.rmtree(clone, ignore_errors=True)
            copy_tree(clone)
            run(sys.executable, "-m", "pipeline_steps.configure", "toy", cwd=clone)
            repro(clone)
            done.touch()
    return clone


def copy_of(clone: Path, to: Path) -> Path:
    """A copy of a finished run to change; without what a DVC at work there may be writing."""
    shutil.copytree(clone, to, symlinks=True, ignore=lambda folder, _: {"tmp"} if folder.endswith(".dvc") else set())
    (to / ".dvc/tmp").mkdir()
    return to


@pytest.fixture
def toy_copy(toy, tmp_path):
    """A copy of the finished toy run to change."""
    return copy_of(toy, tmp_path / "toy")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A Prefect server for all tests of this process that need a real one."""
    from server import Server

    made = Server(tmp_path_factory.mktemp("prefect"))
    yield made
    made.stop()


@pytest.fixture
def real_data():
    """The folder of real data sets, where there is one."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}; set EQUIDERM_REAL_DATA")
    return REAL_DATA


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with this project's parameters, to choose profiles in."""
    for name in ("params.yaml", "cells.yaml", "dvc.yaml", "config"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tiny_sd(tmp_path_factory):
    """A Stable-Diffusion-shaped folder in the hub's layout: AutoencoderKL, epsilon prediction, random weights."""
    return tiny_models.stable_diffusion(tmp_path_factory.mktemp("tiny-sd"))


@pytest.fixture(scope="session")
def tiny_flux(tmp_path_factory):
    """A Flux-shaped folder in the hub's layout: AutoencoderKL with shift, CLIP and T5, guidance embedding; random."""
    return tiny_models.flux(tmp_path_factory.mktemp("tiny-flux"))


@pytest.fixture
def model(tiny_sd):
    """The small model's family and components."""
    from pipeline_steps.diffusion.families import family
    from pipeline_steps.diffusion.hub import BaseModel

    base = BaseModel("stable_diffusion", str(tiny_sd), None, "float32")
    return family(base), family(base).load(base)


@pytest.fixture
def drawn(monkeypatch):
    """The figures of the report that a test makes, kept from being closed."""
    import matplotlib.pyplot as plt

    from pipeline_steps.reporting import figures

    kept = []
    monkeypatch.setattr(figures, "_png", lambda figure: kept.append(figure) or b"")
    yield kept
    plt.close("all")

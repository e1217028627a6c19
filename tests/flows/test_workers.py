"""A head and workers in clones of their own, with one DVC remote: each stage once, whatever dies."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from conftest import copy_tree, overlaid, run
from lab import NAMES, Lab, cluster, done_in
from server import Server, living_stages, until

from flows.server import is_free
from pipeline_steps.stage.params import read_yaml

pytestmark = pytest.mark.slow


GRID_PROFILE = os.environ.get("EQUIDERM_GRID_PROFILE", "toy")


SHORT = GRID_PROFILE == "toy"  # then the grid ends at the adapters


DEEDS = ["sleep out/a", "sleep out/b", "sleep out/c", "write out/source", "write out/summary"]


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    """A server whose heart beats fast; on PostgreSQL where there is one."""
    settings = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres} if postgres else {}
    made = Server(tmp_path_factory.mktemp("prefect"), EQUIDERM_HEARTBEAT_SECONDS="1", **settings)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A PostgreSQL cluster of Debian's package on loopback, or nothing (then the server keeps to SQLite)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found or os.getuid() != 0:
        yield ""
        return
    with cluster(found[-1].parent) as address:
        yield address


@pytest.fixture
def lab(server, tmp_path):
    """Two clones for workers; none started yet."""
    made = Lab(server, tmp_path, 2)
    yield made
    for worker in made.workers:
        if worker.poll() is None:
            made.kill(worker)


def test_workers_run_each_stage_once_and_the_head_restores_it(lab, tmp_path):
    process = lab.run()
    lab.start(*lab.clones)  # late: the head waits for them
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert lab.states() == dict.fromkeys(NAMES, "Completed")
    assert lab.deeds() == DEEDS
    assert done_in(lab.head) == ["write out/summary"]  # its output is not cached: it can't travel
    alone = tmp_path / "alone"
    run("git", "clone", "-q", str(lab.head), str(alone), cwd=tmp_path)
    run("dvc", "repro", cwd=alone)
    assert (alone / "dvc.lock").read_bytes() == (lab.head / "dvc.lock").read_bytes()
    again = lab.run()
    output = again.communicate(timeout=300)[0]
    assert again.returncode == 0, output
    assert lab.states() == dict.fromkeys(["source", "branch (3 cells)", "summary"], "Unchanged")


def test_the_record_is_in_postgresql(lab, postgres):
    if not postgres:
        pytest.skip("no PostgreSQL: apt-get install postgresql, and run as root")
    host = postgres.replace("+asyncpg", "")
    asked = run("psql", host, "-Atc", "select count(*) from deployment", cwd=lab.head)
    assert int(asked.stdout) >= 1


def test_a_machine_that_dies_loses_nothing(lab):
    lab.start(*lab.clones)
    process = lab.run()
    # Not while it is at ``source``, whose deed it may have done and told nobody of.
    until(lambda: any("write out/source" in done_in(clone) for clone in lab.clones))
    until(lambda: lab.states().get("source") == "Completed")
    busy = until(
        lambda: [worker for worker, clone in zip(lab.workers, lab.clones, strict=True) if living_stages(clone)]
    )
    lab.kill(busy[0])
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert lab.deeds() == DEEDS
    assert lab.states() == dict.fromkeys(NAMES, "Completed")


def test_a_server_that_restarts_loses_nothing(lab, server):
    lab.start(*lab.clones)
    process = lab.run()
    until(lambda: any("write out/source" in done_in(clone) and living_stages(clone) for clone in lab.clones))
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    until(lambda: is_free(server.port))
    server.start()
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert lab.deeds() == DEEDS
    states = lab.states()
    assert set(states) == set(NAMES)
    # What ran when the server died may be sent again, if no sign of life came through in time; it then finds it done.
    assert {state for name, state in states.items() if "branch" not in name} == {"Completed"}
    assert {state for name, state in states.items() if "branch" in name} <= {"Completed", "Restored", "Unchanged"}


def test_cancelling_the_head_ends_its_stages_elsewhere(lab):
    lab.start(*lab.clones)
    process = lab.run()
    until(lambda: any("write out/source" in done_in(clone) and living_stages(clone) for clone in lab.clones))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    until(lambda: not any(living_stages(clone) for clone in lab.clones))
    assert "write out/summary" not in lab.deeds()


def test_a_worker_that_does_not_fit_says_so(lab, server, tmp_path):
    (lab.clones[0] / "work.py").write_text("changed")
    worker = server.worker(lab.clones[0], lab.pool)
    assert worker.wait(timeout=240) == 1
    assert "1 tracked files differ from the commit (work.py)" in (lab.clones[0] / "worker.log").read_text()
    run(
        "git",
        "-C",
        str(lab.clones[1]),
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@t",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
        cwd=tmp_path,
    )
    lab.start(lab.clones[1])
    process = lab.run()
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 1
    assert "this worker's clone is at" in output.replace("\n", "")
    assert lab.deeds() == []


def _grid(folder):
    """The whole pipeline over two scenarios and two draws, at toy scale or as ``EQUIDERM_GRID_PROFILE`` says."""
    clone = copy_tree(folder)
    run(sys.executable, "-m", "pipeline_steps.configure", GRID_PROFILE, cwd=clone)
    params = clone / "params.yaml"
    cells = {"scenarios": ["ii", "iii"], "draws": [0, 1]}
    grid = {"comparison": {**cells, "arms": ["syn"]}}
    changes = {"grid": grid, "split": cells, "compute": {"threads": 1}}  # one thread: four workers share this machine
    params.write_text(overlaid(params.read_text(), changes))
    run(sys.executable, "-m", "pipeline_steps.configure", "--cells", cwd=clone)
    return clone


def _stages(clone):
    """What the pipeline's stages completed in a clone: stage and arguments."""
    log = clone / "runs/stages.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [(row["stage"], *row["arguments"]) for row in rows if row["status"] == "completed"]


def test_a_grid_on_four_workers(server, tmp_path, request):
    """A worker's machine dies, one comes late, the server restarts; still each stage once, and the same digests."""
    lab = Lab(server, tmp_path, 4, _grid)
    request.addfinalizer(lambda: [lab.kill(worker) for worker in lab.workers if worker.poll() is None])
    lab.start(*lab.clones[:3])
    process = lab.run(*(["--target", "finetune"] if SHORT else []))
    until(lambda: any(stage[0] == "invert_tokens" for clone in lab.clones for stage in _stages(clone)), 1800)
    lab.kill(lab.workers[0])
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    until(lambda: is_free(server.port))
    server.start()
    lab.start(lab.clones[3])
    output = process.communicate(timeout=3600)[0]
    assert process.returncode == 0, output
    done = [stage for clone in (lab.head, *lab.clones) for stage in _stages(clone)]
    # The machine that died may have ended a stage without having told anybody.
    assert len(done) - len(set(done)) <= 1
    # The head digests the code, since it plans with it.
    assert {stage[0] for stage in _stages(lab.head)} == {"digest_code"} | (set() if SHORT else {"report"})
    assert all(_stages(clone) for clone in lab.clones[1:])
    lock = read_yaml(lab.head / "dvc.lock")["stages"]
    alone = request.getfixturevalue("toy") if SHORT else _alone(lab.head, tmp_path / "alone")
    groups = {stage[0] for stage in done}  # the rest of the lock is the committed default's
    shared = {
        name: held
        for name, held in read_yaml(alone / "dvc.lock")["stages"].items()
        if name in lock and "@" in name and name.split("@")[0] in groups
    }
    assert {"caption@template", "invert_tokens@tokens-iii-0", "finetune@lora_tokens-iii-0"} <= set(shared)
    assert {name: lock[name] for name in shared} == shared


def _alone(head, clone):
    """The same grid on one machine."""
    run("git", "clone", "-q", str(head), str(clone), cwd=head)
    run(sys.executable, "-m", "flows.augment", cwd=clone, env_extra={"PREFECT_HOME": str(clone.parent / "prefect")})
    return clone

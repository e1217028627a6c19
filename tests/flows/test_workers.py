"""A head and workers in clones of their own, with one DVC remote: each stage once, whatever dies."""

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from conftest import copy_tree, overlaid, run
from server import Server, living_stages, small_clone, until

from flows.server import is_free
from pipeline_steps.stage.params import read_yaml

pytestmark = pytest.mark.slow

GRID_PROFILE = os.environ.get("EQUIDERM_GRID_PROFILE", "toy")
SHORT = GRID_PROFILE == "toy"  # then the grid ends at the adapters
BRANCHES = """
stages:
  source:
    cmd: exec python work.py write out/source
    deps: [work.py]
    outs: [out/source]
  branch:
    matrix: {cell: [a, b, c]}
    cmd: exec python work.py sleep out/${item.cell} 3
    deps: [out/source]
    outs:
      - out/${item.cell}
  summary:
    cmd: exec python work.py write out/summary
    deps: [out/a, out/b, out/c]
    metrics:
      - out/summary:
          cache: false
"""


NAMES = ["source", "branch@a", "branch@b", "branch@c", "summary"]
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
    with _cluster(found[-1].parent) as address:
        yield address


@contextmanager
def _cluster(programs):
    port = _free_port()
    place = Path(f"/tmp/equiderm-postgres-{os.getpid()}")
    place.mkdir()
    shutil.chown(place, "postgres", "postgres")

    def as_postgres(*command):
        run("runuser", "-u", "postgres", "--", *command, cwd=place)

    try:
        as_postgres(str(programs / "initdb"), "-D", str(place / "data"), "-A", "trust")
        options = f"-p {port} -h 127.0.0.1 -k {place} -c max_connections=200"
        as_postgres(
            str(programs / "pg_ctl"), "-D", str(place / "data"), "-o", options, "-l", str(place / "log"), "-w", "start"
        )
        yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres"
        as_postgres(str(programs / "pg_ctl"), "-D", str(place / "data"), "-m", "fast", "stop")
    finally:
        shutil.rmtree(place)


class Lab:
    """A head and its workers' clones, with one remote."""

    def __init__(self, server, folder, count, prepare=lambda folder: small_clone(folder, BRANCHES)):
        self.server, self.pool = server, folder.name
        self.head = prepare(folder / "head")
        (folder / "remote").mkdir()
        run("dvc", "remote", "add", "-d", "shared", str(folder / "remote"), cwd=self.head)
        run("git", "add", "-A", cwd=self.head)
        run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "lab", cwd=self.head)
        self.clones = [folder / f"worker-{i}" for i in range(count)]
        for clone in self.clones:
            run("git", "clone", "-q", str(self.head), str(clone), cwd=folder)
        self.workers = []

    def start(self, *clones):
        self.workers += [self.server.worker(clone, self.pool) for clone in clones]

    def kill(self, worker):
        """As when a machine loses power: the worker and all that it started are gone at once."""
        family = [worker_ := psutil.Process(worker.pid), *worker_.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):  # it ended by itself meanwhile
                process.send_signal(signal.SIGKILL)
        worker.wait()

    def run(self, *options):
        return self.server.flow(self.head, "--pool", self.pool, *options)

    def deeds(self):
        return sorted(line for clone in (self.head, *self.clones) for line in _done(clone))

    def states(self):
        rows = self.server.stages(self.server.last_run())
        # The workers' own runs are rows, too, under names that Prefect makes up
        own = {n: row for n, row in rows.items() if n in NAMES or n.endswith(" cells)")}
        return {name: row["state_name"] for name, row in own.items()}


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
    assert _done(lab.head) == ["write out/summary"]  # its output is not cached: it can't travel
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
    until(lambda: any("write out/source" in _done(clone) for clone in lab.clones))
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
    until(lambda: any("write out/source" in _done(clone) and living_stages(clone) for clone in lab.clones))
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
    until(lambda: any("write out/source" in _done(clone) and living_stages(clone) for clone in lab.clones))
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
    assert {stage[0] for stage in _stages(lab.head)} == (set() if SHORT else {"report"})
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


@pytest.fixture
def sshd(tmp_path):
    """A real OpenSSH server on loopback that knows one key; the SSH options of a DVC remote on it."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists():
        pytest.skip("no sshd: apt-get install openssh-server")
    for name in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name), cwd=tmp_path)
    (tmp_path / "known").write_text((tmp_path / "user.pub").read_text())
    port = _free_port()
    (tmp_path / "sshd.conf").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path / 'host'}\nAuthorizedKeysFile {tmp_path / 'known'}\n"
        "StrictModes no\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
        f"PidFile {tmp_path / 'sshd.pid'}\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)  # where sshd, as root, parks its unprivileged half
    process = subprocess.Popen([program, "-D", "-e", "-f", str(tmp_path / "sshd.conf")], stderr=subprocess.PIPE)
    until(lambda: process.poll() is not None or _answers(port))
    assert process.poll() is None, process.stderr.read()
    yield {"url": f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/far", "keyfile": str(tmp_path / "user")}
    process.terminate()
    process.wait()


@pytest.fixture
def bucket(monkeypatch):
    """A bucket on a local server that speaks S3; the options of a DVC remote in it."""
    port = _free_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL
    )
    until(lambda: _answers(port))
    httpx.put(f"http://127.0.0.1:{port}/lab").raise_for_status()
    yield {"url": "s3://lab/equiderm", "endpointurl": f"http://127.0.0.1:{port}"}
    process.terminate()
    process.wait()


@pytest.mark.parametrize("kind", ["sshd", "bucket"])
def test_the_remote_may_be_elsewhere(kind, request, tmp_path):
    options = request.getfixturevalue(kind)
    head = small_clone(tmp_path / "head", BRANCHES)
    run("dvc", "remote", "add", "-d", "shared", options.pop("url"), cwd=head)
    for name, value in options.items():
        run("dvc", "remote", "modify", "shared", name, value, cwd=head)
    run("git", "add", "-A", cwd=head)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "lab", cwd=head)
    other = tmp_path / "other"
    run("git", "clone", "-q", str(head), str(other), cwd=tmp_path)
    run("dvc", "repro", "branch", cwd=head)
    run("dvc", "push", "--run-cache", cwd=head)
    run("dvc", "repro", "--pull", "branch", cwd=other)
    assert len(_done(head)) == 4
    assert _done(other) == []
    assert (other / "out/a").read_text() == "sleep"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _done(clone: Path) -> list[str]:
    """What work.py did in a clone."""
    log = clone / "runs/work.log"
    return log.read_text().splitlines() if log.exists() else []

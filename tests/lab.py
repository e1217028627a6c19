"""A head and workers' clones with one DVC remote, and a database, for tests of runs on many machines."""

import os
import shutil
import signal
import socket
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from conftest import run
from server import small_clone

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


@contextmanager
def cluster(programs):
    port = free_port()
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
        return sorted(line for clone in (self.head, *self.clones) for line in done_in(clone))

    def states(self):
        rows = self.server.stages(self.server.last_run())
        # The workers' own runs are rows, too, under names that Prefect makes up
        own = {n: row for n, row in rows.items() if n in NAMES or n.endswith(" cells)")}
        return {name: row["state_name"] for name, row in own.items()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def done_in(clone: Path) -> list[str]:
    """What work.py did in a clone."""
    log = clone / "runs/work.log"
    return log.read_text().splitlines() if log.exists() else []

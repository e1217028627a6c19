"""A real Prefect server for tests, small repositories for it to run, and questions to ask of both."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import httpx
import psutil
from conftest import ROOT, copy_tree

from flows.server import start_server


class Server:
    """A Prefect server on loopback, and what one asks it."""

    def __init__(self, home: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.settings = {"PREFECT_HOME": str(home), "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.2", **settings}
        self.port = port
        self.start()
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        with mock.patch.dict(os.environ, self.settings):
            self.process = start_server(self.port)
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            self.environment = {**os.environ, "PATH": path, "SHELL": "/bin/sh"}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def ask(self, what: str, **body: object) -> list[dict]:
        reply = httpx.post(f"{self.url}/api/{what}/filter", json=body, timeout=30)
        reply.raise_for_status()
        return reply.json()

    def flow(self, clone: Path, *args: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "flows.augment", *args]
        return subprocess.Popen(
            command, cwd=clone, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def worker(self, clone: Path, pool: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "flows.worker", "--pool", pool]
        environment = {**self.environment, "PREFECT_WORKER_QUERY_SECONDS": "1"}
        log = (clone / "worker.log").open("w")
        return subprocess.Popen(command, cwd=clone, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def last_run(self, flow: str = "augment") -> dict:
        return self.ask("flow_runs", flows={"name": {"any_": [flow]}}, sort="START_TIME_DESC", limit=1)[0]

    def stages(self, run: dict) -> dict[str, dict]:
        rows = self.ask("task_runs", flow_runs={"id": {"any_": [run["id"]]}})
        return {row["name"]: row for row in rows}

    def log_of(self, task: dict) -> str:
        rows = self.ask("logs", logs={"task_run_id": {"any_": [task["id"]]}}, sort="TIMESTAMP_ASC", limit=200)
        return "\n".join(row["message"] for row in rows)


def small_clone(folder: Path, graph: str) -> Path:
    """A repository of this project's code, without its models' weights, whose stages are those of ``graph``."""
    clone = copy_tree(folder, without=".safetensors")
    shutil.copy(ROOT / "tests/work.py", clone / "work.py")
    (clone / "dvc.lock").unlink()
    (clone / "dvc.yaml").write_text(graph)
    return clone


def living_stages(clone: Path) -> list[int]:
    """Living processes of the small repository's stages."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.status() != psutil.STATUS_ZOMBIE
                and "work.py" in process.cmdline()
                and process.cwd() == str(clone)
            ):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def until(condition, seconds=240):
    for _ in range(seconds * 5):
        if value := condition():
            return value
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s in vain")

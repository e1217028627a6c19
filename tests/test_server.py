"""The flow against a real Prefect server: what the API, and the UI in a browser, tell of stages however they end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import httpx
import psutil
import pytest
from conftest import ROOT, copy_tree

from flows.serve import start_server
from pipeline_steps.stage.params import read_yaml

GRAPH = """
stages:
  source:
    cmd: exec python work.py write out/source
    deps: [work.py]
    outs: [out/source]
  left:
    cmd: exec python work.py sleep out/left 1
    deps: [out/source]
    outs: [out/left]
  right:
    cmd: exec python work.py draw out/right
    deps: [out/source]
    outs: [out/right]
  fails:
    cmd: exec python work.py fail out/fails
    deps: [out/source]
    outs: [out/fails]
  needs_it:
    cmd: exec python work.py write out/needs_it
    deps: [out/fails]
    outs: [out/needs_it]
  hangs:
    meta: {hours: 0.002}
    cmd: exec python work.py hang out/hangs
    deps: [out/source]
    outs: [out/hangs]
  starves:
    cmd: exec python work.py starve out/starves
    deps: [out/source]
    outs: [out/starves]
"""
SLOW = """
stages:
  slow:
    cmd: exec python work.py sleep out/slow 4
    deps: [work.py]
    outs: [out/slow]
  after:
    cmd: exec python work.py write out/after
    deps: [out/slow]
    outs: [out/after]
"""


class Server:
    """A Prefect server on loopback, and what one asks it."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with mock.patch.dict(os.environ, {"PREFECT_HOME": str(home), "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.2"}):
            self.process = start_server(port)
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            self.environment = {**os.environ, "PATH": path, "SHELL": "/bin/sh"}
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, what: str, **body: object) -> list[dict]:
        reply = httpx.post(f"{self.url}/api/{what}/filter", json=body, timeout=30)
        reply.raise_for_status()
        return reply.json()

    def flow(self, clone: Path, *args: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "flows.augment", *args]
        return subprocess.Popen(
            command, cwd=clone, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def last_run(self) -> dict:
        return self.ask("flow_runs", sort="START_TIME_DESC", limit=1)[0]

    def stages(self, run: dict) -> dict[str, dict]:
        rows = self.ask("task_runs", flow_runs={"id": {"any_": [run["id"]]}})
        return {row["name"]: row for row in rows}

    def log_of(self, task: dict) -> str:
        rows = self.ask("logs", logs={"task_run_id": {"any_": [task["id"]]}}, sort="TIMESTAMP_ASC", limit=200)
        return "\n".join(row["message"] for row in rows)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server of its own, gone with the session."""
    made = Server(tmp_path_factory.mktemp("prefect"))
    yield made
    made.process.terminate()
    made.process.wait()


def _clone(folder: Path, graph: str) -> Path:
    clone = copy_tree(folder)
    shutil.copy(ROOT / "tests/work.py", clone / "work.py")
    (clone / "dvc.lock").unlink()
    (clone / "dvc.yaml").write_text(graph)
    return clone


@pytest.fixture(scope="session")
def ended(server, tmp_path_factory):
    """A run in which stages failed, hung and starved: the clone, its output and the server's record."""
    clone = _clone(tmp_path_factory.mktemp("mini"), GRAPH)
    process = server.flow(clone)
    output = process.communicate(timeout=180)[0]
    return clone, process.returncode, output, server.last_run()


def test_stages_end_as_what_happened_to_them(server, ended):
    _, status, output, run = ended
    assert status == 1, output
    assert run["state_type"] == "FAILED"
    names = {name: row["state_name"] for name, row in server.stages(run).items()}
    assert names == {
        "source": "Completed",
        "left": "Completed",
        "right": "Completed",
        "fails": "Failed",
        "needs_it": "Skipped",
        "hangs": "Failed",
        "starves": "Failed",
    }
    assert "failed: fails, hangs, starves; skipped for it: needs_it" in output.replace("\n", "")


@pytest.mark.parametrize(
    ("stage", "last"),
    [
        ("fails", "the reason why"),
        ("hangs", "exceeded its limit of 0.002 h; its last lines:"),
        ("starves", "MemoryError"),
    ],
)
def test_a_failed_stage_shows_its_last_lines(server, ended, stage, last):
    row = server.stages(ended[3])[stage]
    assert last in row["state"]["message"]
    log = _until(lambda: (text := server.log_of(row)) and f"{stage.rstrip('s')}" in text and text)
    assert "begins" in log


def test_progress_and_pictures_are_artifacts(server, ended):
    rows = server.ask("artifacts", artifacts={"flow_run_id": {"any_": [ended[3]["id"]]}})
    by_key = {row["key"]: row for row in rows}
    assert by_key["progress-right"]["type"] == "progress"
    assert "loss=0.5" in by_key["progress-right"]["description"]
    assert by_key["preview-right"]["data"].startswith("![step-5](data:image/png;base64,")
    assert '"hangs"' in by_key["stages"]["data"]


def test_the_next_run_takes_up_what_is_left(server, ended):
    clone, *_ = ended
    graph = read_yaml(clone / "dvc.yaml")["stages"]
    (clone / "dvc.yaml").write_text(GRAPH.replace("work.py fail ", "work.py write ").split("  hangs:")[0])
    process = server.flow(clone)
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 0, output
    names = {name: row["state_name"] for name, row in server.stages(server.last_run()).items()}
    assert names == {n: "Completed" if n in ("fails", "needs_it") else "Cached" for n in list(graph)[:5]}


@pytest.fixture(scope="session")
def page():
    """A headless Chromium."""
    if not (chromium := shutil.which("chromium")):
        pytest.skip("no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


def test_a_person_sees_the_run_in_a_browser(server, ended, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/runs/flow-run/{ended[3]['id']}")
    page.get_by_text("7 Task runs").wait_for()
    page.get_by_text("stale: modified dependency work.py").first.wait_for()
    page.locator("canvas").first.wait_for()  # the graph
    page.get_by_text("Task Runs", exact=True).click()
    for stage in ("source", "needs_it", "starves"):
        page.get_by_text(stage, exact=True).first.wait_for()
    page.get_by_text("Skipped").first.wait_for()
    page.goto(f"{server.url}/runs/task-run/{server.stages(ended[3])['hangs']['id']}")
    page.get_by_text("exceeded its limit of 0.002 h").first.wait_for()
    page.goto(f"{server.url}/artifacts/key/progress-right")
    page.get_by_text("loss=0.5").first.wait_for()
    shown = server.ask("artifacts", artifacts={"key": {"any_": ["preview-right"]}})[0]
    page.goto(f"{server.url}/artifacts/artifact/{shown['id']}")
    picture = page.get_by_role("img", name="step-5")
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") == 48
    here = (server.url, server.url.replace("http", "ws"), "data:", "blob:")
    assert [url for url in asked if not url.startswith(here)] == []


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_a_killed_flow_leaves_no_orphan_and_is_marked_by_the_next(server, tmp_path):
    clone = _clone(tmp_path / "slow", SLOW)
    process = server.flow(clone)
    _until(lambda: _workers(clone))
    killed = server.last_run()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    _until(lambda: not _workers(clone))
    assert not (clone / "out/slow").exists()
    process = server.flow(clone)
    output = process.communicate(timeout=180)[0]
    assert process.returncode == 0, output
    assert (clone / "out/after").read_text() == "write"
    assert httpx.get(f"{server.url}/api/flow_runs/{killed['id']}", timeout=30).json()["state_type"] == "CRASHED"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_ends_the_stage_too(server, tmp_path, sign):
    clone = _clone(tmp_path / "slow", SLOW)
    process = server.flow(clone)
    _until(lambda: _workers(clone))
    process.send_signal(sign)
    process.communicate(timeout=60)
    assert process.returncode != 0
    _until(lambda: not _workers(clone))
    assert not (clone / "out/slow").exists()


def _workers(clone: Path) -> list[int]:
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


def _until(condition, seconds=60):
    for _ in range(seconds * 5):
        if value := condition():
            return value
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s in vain")

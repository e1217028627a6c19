"""The flow against a real Prefect server: what the API, and the UI in a browser, tell of stages however they end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from conftest import run
from server import Server, living_stages, small_clone, until

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


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of its own."""
    made = Server(tmp_path_factory.mktemp("prefect"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def ended(server, tmp_path_factory):
    """A run in which stages failed, hung and starved: the clone, its output and the server's record."""
    clone = small_clone(tmp_path_factory.mktemp("mini"), GRAPH)
    process = server.flow(clone)
    output = process.communicate(timeout=300)[0]
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
    log = until(lambda: (text := server.log_of(row)) and f"{stage.rstrip('s')}" in text and text)
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
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    names = {name: row["state_name"] for name, row in server.stages(server.last_run()).items()}
    assert names == {n: "Completed" if n in ("fails", "needs_it") else "Cached" for n in list(graph)[:5]}


@pytest.fixture(scope="module")
def page():
    """A headless Chromium."""
    if not (chromium := shutil.which("chromium")):
        pytest.skip("no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


@pytest.mark.slow
def test_a_person_sees_the_run_in_a_browser(server, ended, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/runs/flow-run/{ended[3]['id']}")
    page.get_by_text("7 Task runs").wait_for()
    page.get_by_text("stale: dvc.lock knows no run of it").first.wait_for()
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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_a_killed_flow_leaves_no_orphan_and_is_marked_by_the_next(server, tmp_path):
    clone = small_clone(tmp_path / "slow", SLOW)
    process = server.flow(clone)
    until(lambda: living_stages(clone))
    killed = server.last_run()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not living_stages(clone))
    assert not (clone / "out/slow").exists()
    process = server.flow(clone)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert (clone / "out/after").read_text() == "write"
    assert httpx.get(f"{server.url}/api/flow_runs/{killed['id']}", timeout=30).json()["state_type"] == "CRASHED"


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_ends_the_stage_too(server, tmp_path, sign):
    clone = small_clone(tmp_path / "slow", SLOW)
    process = server.flow(clone)
    until(lambda: living_stages(clone))
    process.send_signal(sign)
    process.communicate(timeout=300)
    assert process.returncode != 0
    until(lambda: not living_stages(clone))
    assert not (clone / "out/slow").exists()


def _alone(clone, *arguments):
    """A command of flows without a server to talk to, in a process group of its own, as a terminal starts it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_API")}
    environment |= {
        "PREFECT_HOME": str(clone.parent / "prefect"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command, pipe = [sys.executable, "-m", *arguments], subprocess.PIPE
    return subprocess.Popen(
        command, cwd=clone, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def _of(group):
    """Living processes that a command in its own session started: servers of its own have other groups."""
    return psutil.Process(group).children(recursive=True)


@pytest.mark.slow
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_in_a_terminal_ends_flow_server_and_stage(tmp_path, presses):
    """The terminal signals the whole group; a flow whose temporary server dies of that waits for it for minutes."""
    clone = small_clone(tmp_path / "slow", SLOW.replace("sleep out/slow 4", "sleep out/slow 400"))
    process = _alone(clone, "flows.augment")
    until(lambda: living_stages(clone))
    started = _of(process.pid)
    assert any("prefect" in p.cmdline() for p in started)
    for _ in range(presses):
        os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert output.rstrip().endswith("interrupted: what was finished is kept; the next run goes on from there")
    until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in started), 30)


@pytest.mark.slow
def test_the_server_stays_when_the_run_that_it_was_started_for_fails(tmp_path):
    clone = small_clone(tmp_path / "fails", GRAPH.split("  hangs:", maxsplit=1)[0])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = _alone(clone, "flows.serve", "--run", "--port", str(port))
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("The run stays in the UI"):
                break
        body = {"flows": {"name": {"any_": ["augment"]}}}
        (run_,) = httpx.post(f"http://127.0.0.1:{port}/api/flow_runs/filter", json=body, timeout=30).json()
        assert run_["state_type"] == "FAILED", said
        assert any(f"http://127.0.0.1:{port}/runs/flow-run/{run_['id']}" in line for line in said)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    with pytest.raises(httpx.ConnectError):
        until(lambda: not httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=5), 30)


@pytest.mark.slow
def test_the_deployments_of_a_lab_deploy(server, tmp_path):
    clone = small_clone(tmp_path / "lab", SLOW)
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    settings = {name: value for name, value in server.environment.items() if name.startswith("PREFECT_")}
    run(*prefect, "work-pool", "create", "gpu-box", "--type", "process", cwd=clone, env_extra=settings)
    run(*prefect, "deploy", "--all", cwd=clone, env_extra=settings)
    found = {row["name"]: row for row in server.ask("deployments")}
    assert set(found) == {"pipeline", "images", "experiment", "grid", "nightly"}
    form = found["experiment"]["parameter_openapi_schema"]["properties"]
    assert form["cores"]["type"] == "integer"
    assert form["force"]["type"] == "boolean"
    assert "description" in form["overrides"]
    assert found["nightly"]["schedules"][0]["active"] is False

"""The flow against a real Prefect server: what the API, and the UI in a browser, tell of stages however they end."""

import shutil

import pytest
from flow_graphs import GRAPH
from server import small_clone, until

from flows.server import start_server
from flows.server_check import ServerError, check_server
from pipeline_steps.stage.params import read_yaml


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
    assert [server.stages(run)[name]["state_type"] for name in ("needs_it", "source")] == ["CANCELLED", "COMPLETED"]
    lines = output.splitlines()
    assert lines[-4:] == [
        "error: failed: fails, hangs, starves; skipped for it: needs_it",
        "fails: the reason why",
        "hangs: hangs exceeded its limit of 0.002 h",
        "starves: MemoryError",
    ]
    assert sum(line.startswith(("✓", "✗", "-")) for line in lines) == 7
    assert not [line for line in lines if "Traceback" in line or "git add" in line or "dvc push" in line]


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
    assert names == {n: "Completed" if n in ("fails", "needs_it") else "Unchanged" for n in list(graph)[:5]}


def test_a_server_is_known_by_its_version(server, monkeypatch):
    monkeypatch.setattr("flows.server._FREED_SECONDS", 0)  # it is not about to be freed
    check_server(f"{server.url}/api", patience=0)
    with pytest.raises(ServerError, match="no Prefect server answers there"):
        check_server(server.url, patience=0)  # without /api it is the UI
    with pytest.raises(ServerError, match=f"port {server.port} is held by a Prefect server already: its UI is at"):
        start_server(server.port)


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

"""The flow against a real Prefect server: what the API, and the UI in a browser, tell of stages however they end."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import psutil
import pytest
from conftest import ROOT, run
from server import Server, living_stages, small_clone, until

from flows.server import start_server
from flows.server_check import ServerError, check_server
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
    assert names == {n: "Completed" if n in ("fails", "needs_it") else "Unchanged" for n in list(graph)[:5]}


OVERRIDDEN = """
stages:
  numbers:
    cmd: exec python work.py sleep out/numbers 1
    deps: [work.py]
    params: [classifier.updates]
    outs: [out/numbers]
  fails:
    cmd: exec python work.py fail out/fails
    deps: [out/numbers]
    outs: [out/fails]
"""


def _with_identity(folder, graph):
    clone = small_clone(folder, graph)
    for key, value in {"user.name": "t", "user.email": "t@t"}.items():
        run("git", "config", key, value, cwd=clone)
    run("git", "add", "-A", cwd=clone)
    run("git", "commit", "-qm", "x", cwd=clone)
    return clone


def _parameters(clone):
    return [(clone / name).read_bytes() for name in ("params.yaml", "cells.yaml")]


def test_a_failed_run_takes_its_overrides_back_and_one_of_some_targets_is_saved(server, tmp_path):
    clone = _with_identity(tmp_path / "clone", OVERRIDDEN)
    before = _parameters(clone)
    process = server.flow(clone, "-S", "classifier.updates=7")
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 1, output
    assert _parameters(clone) == before
    assert "params.yaml again says what it said before it" in output
    process = server.flow(clone, "-S", "classifier.updates=7", "--target", "numbers", "--name", "seven")
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert read_yaml(clone / "params.yaml")["classifier"]["updates"] == 7
    refs = run("git", "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps", cwd=clone).stdout.split()
    assert refs == ["seven"]
    assert "the workspace holds the experiment, -S classifier.updates=7 included" in " ".join(output.split())
    assert not (clone / "runs/overridden").exists()


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ended_run_takes_its_overrides_back(server, tmp_path, sign):
    clone = _with_identity(tmp_path / "clone", OVERRIDDEN.replace("out/numbers 1", "out/numbers 400"))
    before = _parameters(clone)
    process = server.flow(clone, "-S", "classifier.updates=7")
    until(lambda: living_stages(clone))
    assert _parameters(clone) != before
    process.send_signal(sign)
    output = process.communicate(timeout=120)[0]
    until(lambda: not living_stages(clone))
    if sign == signal.SIGKILL:
        assert _parameters(clone) != before
        process = server.flow(clone, "--dry-run")
        output = process.communicate(timeout=120)[0]
        assert "a run with -S classifier.updates=7 was killed: params.yaml again says what it said" in output
    assert _parameters(clone) == before, output
    assert "Traceback" not in output


@pytest.mark.slow
def test_another_wiring_is_run_and_saved(server, toy_copy):
    """A sweep of wirings goes by the flow: cells are made anew, what they reach runs, and the experiment holds both."""
    for key, value in {"user.name": "t", "user.email": "t@t"}.items():
        run("git", "config", key, value, cwd=toy_copy)
    wired = read_yaml(toy_copy / "cells.yaml")["cells"]["generate"]
    key = next(key for key, cell in wired.items() if cell["adapter"] != "models/none")
    name = wired[key]["augmenter"]
    process = server.flow(toy_copy, "-S", f"augmenters.{name}.adapter=null", "--name", "tokens-alone")
    output = process.communicate(timeout=1800)[0]
    assert process.returncode == 0, output
    assert read_yaml(toy_copy / "cells.yaml")["cells"]["generate"][key]["adapter"] == "models/none"
    assert "--adapter models/none" in read_yaml(toy_copy / "dvc.lock")["stages"][f"generate@{key}"]["cmd"]
    named = ("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/tokens-alone")
    (ref,) = run(*named, cwd=toy_copy).stdout.split()
    for file in ("cells.yaml", "params.yaml", "dvc.lock", "metrics/summary.json"):
        assert run("git", "show", f"{ref}:{file}", cwd=toy_copy).stdout == (toy_copy / file).read_text()
    assert "0 of" in run(sys.executable, "-m", "flows.augment", "--dry-run", cwd=toy_copy).stdout.splitlines()[-1]


class _Page(BaseHTTPRequestHandler):
    """What any web server says to any request; its ``body`` and ``status``."""

    body, status = b"<html>welcome</html>", 200

    def do_GET(self):
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@contextmanager
def _stranger(body=_Page.body, status=200, address="127.0.0.1"):
    """A program that is no Prefect server on a port of its own; the port."""
    kind = type(
        "Kind", (ThreadingHTTPServer,), {"address_family": socket.AF_INET6 if ":" in address else socket.AF_INET}
    )
    listener = kind((address, 0), type("Page", (_Page,), {"body": body, "status": status}))
    Thread(target=listener.serve_forever, daemon=True).start()
    yield listener.server_address[1]
    listener.shutdown()
    listener.server_close()


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"<html>welcome</html>", 200, "Expecting value"),
        (b"true", 200, "its version is True"),
        (b'{"version": "3.8"}', 200, "its version is {'version': '3.8'}"),
        (b"", 404, "404 Not Found"),
        (b"", 503, "503 Service Unavailable"),  # Prefect would ask again for minutes
    ],
)
def test_a_stranger_is_not_taken_for_a_server(body, status, said):
    with _stranger(body, status) as port:
        url = f"http://127.0.0.1:{port}/api"
        with pytest.raises(ServerError) as error:
            check_server(url)
    assert f"PREFECT_API_URL is {url}, and no Prefect server answers there" in str(error.value)
    assert said in str(error.value)
    assert "python -m flows.serve" in str(error.value)


def test_who_listens_and_says_nothing_is_not_waited_for():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(ServerError, match="no Prefect server answers there"):
            check_server(f"http://127.0.0.1:{silent.getsockname()[1]}/api", timeout=0.5)


@pytest.mark.parametrize("url", ["127.0.0.1:4200/api", "http://127.0.0.1:no/api", "http:///api", "ftp://127.0.0.1/api"])
def test_an_address_that_is_none_is_named(url):
    with pytest.raises(ServerError, match=f"PREFECT_API_URL is {url}, and no"):
        check_server(url, patience=0)


def test_a_server_is_known_by_its_version(server):
    check_server(f"{server.url}/api", patience=0)
    with pytest.raises(ServerError, match="no Prefect server answers there"):
        check_server(server.url, patience=0)  # without /api it is the UI
    with pytest.raises(ServerError, match=f"port {server.port} is held by a Prefect server already: its UI is at"):
        start_server(server.port)


def test_ipv6_is_no_excuse():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6")
    with _stranger(address="::1") as port, pytest.raises(ServerError, match="no Prefect server answers there"):
        check_server(f"http://[::1]:{port}/api")


@pytest.mark.parametrize("port", [0, 65536, 99999, -1])
def test_a_port_that_is_none_is_named(port):
    with pytest.raises(ServerError, match=f"port {port} is none: ports are 1 to 65535"):
        start_server(port)


@pytest.mark.parametrize("command", ["flows.augment", "flows.worker"])
def test_a_run_ends_at_once_where_a_stranger_answers(tmp_path, command):
    clone = small_clone(tmp_path / "clone", SLOW)
    with _stranger(status=503) as port:
        environment = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_HOME": str(tmp_path / "prefect")}
        options = ["--pool", "lab"] if command == "flows.worker" else []
        done = run(sys.executable, "-m", command, *options, cwd=clone, check=False, env_extra=environment, timeout=120)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"error: PREFECT_API_URL is http://127.0.0.1:{port}/api, and no Prefect server answers" in done.stderr
    assert not (clone / "out/slow").exists()


PROXIES = [
    {"HTTP_PROXY": "http://192.0.2.1:3128"},
    {"http_proxy": "http://192.0.2.1:3128", "https_proxy": "http://192.0.2.1:3128"},
    {"ALL_PROXY": "http://192.0.2.1:3128"},
    {"all_proxy": "http://192.0.2.1:3128", "NO_PROXY": "corp, .lab,10.0.0.0/8"},
    {"HTTP_PROXY": "http://192.0.2.1:3128", "NO_PROXY": "corp", "no_proxy": "other"},
    {"HTTP_PROXY": "http://192.0.2.1:3128", "no_proxy": "*"},
    {"HTTPS_PROXY": "http://192.0.2.1:3128", "NO_PROXY": ""},
]
DECISIONS = """
import json, httpx, urllib.request as r
def asked(url):
    with httpx.Client() as client:
        by_httpx = client._transport_for_url(httpx.URL(url)) is not client._transport
    parts = httpx.URL(url)
    by_urllib = bool(r.getproxies().get(parts.scheme)) and not r.proxy_bypass(parts.host)
    return [by_httpx, by_urllib]
HERE = ["http://127.0.0.1:4200/api", "http://localhost:4200/api", "http://[::1]:4200/api"]
AWAY = ["http://corp/x", "http://a.corp/x", "http://a.lab/x", "http://other/x", "http://example.org/", "https://example.org/"]
before = [asked(url) for url in AWAY]
import flows
print(json.dumps([[asked(url) for url in HERE], before, [asked(url) for url in AWAY]]))
"""


@pytest.mark.parametrize("proxies", PROXIES, ids=lambda p: " ".join(f"{k}={v}" for k, v in p.items()))
def test_a_proxy_is_asked_for_the_world_alone(proxies):
    """httpx (Prefect's client) and urllib (its websockets): never for this machine, for others as before."""
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | proxies
    done = subprocess.run(
        [sys.executable, "-c", DECISIONS], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    here, before, after = json.loads(done.stdout)
    assert here == [[False, False]] * 3
    if {proxies.get("NO_PROXY"), proxies.get("no_proxy")} == {"corp", "other"}:
        before[0] = before[1] = [False, False]  # the one spelling's hosts are now known to who reads the other, too
    assert after == before


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "socksio", None)  # as where it is not installed
    monkeypatch.setenv(name, "socks5://192.0.2.1:1080")
    with pytest.raises(ServerError, match="a proxy in the environment can't be used: Using SOCKS proxy"):
        check_server("http://127.0.0.1:4200/api", patience=0)


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

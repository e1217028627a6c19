"""Whether a Prefect server answers: asked once, through no proxy for this machine, and said why not."""

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from conftest import ROOT, run
from flow_graphs import SLOW
from prefect.settings import PREFECT_API_URL, temporary_settings
from server import small_clone

from flows import worker
from flows.server import start_server
from flows.server_check import ServerError, check_server


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


def test_a_worker_ends_at_once_where_a_stranger_answers(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["flows.worker", "--pool", "lab"])
    with _stranger(status=503) as port:
        url = f"http://127.0.0.1:{port}/api"
        said = rf"^error: PREFECT_API_URL is {url}, and no Prefect server answers[^\n]*$"
        with temporary_settings({PREFECT_API_URL: url}), pytest.raises(SystemExit, match=said):
            worker.main()


def test_a_run_ends_at_once_where_a_stranger_answers(tmp_path):
    clone = small_clone(tmp_path / "clone", SLOW)
    with _stranger(status=503) as port:
        environment = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_HOME": str(tmp_path / "prefect")}
        command = [sys.executable, "-m", "flows.augment"]
        done = run(*command, cwd=clone, check=False, env_extra=environment, timeout=120)
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

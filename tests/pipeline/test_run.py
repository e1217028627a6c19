"""./run on a machine without uv: a private one from the package index, whole and checked, or one line of error."""

import hashlib
import io
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import ROOT

from flows.server import start_server
from flows.server_check import ServerError

UV = '#!/bin/sh\necho "uv runs: $*"\n'
TAGS = ("manylinux_2_17_{m}.manylinux2014_{m}", "musllinux_1_1_{m}", "macosx_11_0_arm64", "macosx_10_12_x86_64")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def clone(tmp_path):
    """What ./run needs of this repository."""
    folder = tmp_path / "clone"
    (folder / ".ci").mkdir(parents=True)
    for name in ("run", ".ci/fetch_uv.py"):
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def index(tmp_path):
    """A package index on loopback with wheels of a uv that says how it was called; its digests can be made wrong."""
    wheels = tmp_path / "index" / "uv"
    wheels.mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(wheels.parent))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield partial(_publish, wheels), f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _publish(folder, *, right=True):
    links = []
    for machine in ("x86_64", "aarch64"):
        for tag in (t.format(m=machine) for t in TAGS):
            name = f"uv-{_version()}-py3-none-{tag}.whl"
            held = io.BytesIO()
            with zipfile.ZipFile(held, "w") as archive:
                archive.writestr(f"uv-{_version()}.data/scripts/uv", UV)
            (folder / name).write_bytes(held.getvalue())
            digest = hashlib.sha256(held.getvalue() if right else b"another").hexdigest()
            links.append(f'<a href="{name}#sha256={digest}">{name}</a>')
    (folder / "index.html").write_text("\n".join(links))


def _version():
    return next(line for line in (ROOT / "run").read_text().splitlines() if line.startswith("version=")).split("=")[1]


@pytest.fixture
def bare(tmp_path):
    """A PATH with a shell and a Python that has no pip."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "sh").symlink_to(shutil.which("sh"))
    python = tools / "python3"
    python.write_text(f'#!/bin/sh\n[ "$2" = pip ] && exit 1\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return str(tools)


def _run(clone, path, index):
    environment = {"PATH": path, "HOME": str(clone), "UV_DEFAULT_INDEX": index, "NO_PROXY": "127.0.0.1"}
    command = [str(clone / "run"), "dvc", "repro"]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


def test_without_uv_and_pip_a_private_uv_runs_the_command(clone, index, bare):
    publish, address = index
    publish()
    done = _run(clone, bare, address)
    assert done.stdout == "uv runs: run -- python -m flows.run_dvc repro\n", done.stderr
    assert stat.S_IMODE((clone / ".uv/bin/uv").stat().st_mode) == 0o755
    again = _run(clone, bare, "http://127.0.0.1:1")
    assert again.stdout == done.stdout, "the second time nothing is fetched"


def test_a_wheel_that_is_not_what_the_index_says_is_refused(clone, index, bare):
    publish, address = index
    publish(right=False)
    done = _run(clone, bare, address)
    assert done.returncode == 1
    assert "is not what the index says it is" in done.stderr
    assert not (clone / ".uv/bin/uv").exists()


def test_where_nothing_helps_one_line_says_what_to_install(clone, tmp_path):
    tools = tmp_path / "empty"
    tools.mkdir()
    (tools / "sh").symlink_to(shutil.which("sh"))
    done = _run(clone, str(tools), "http://127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "https://docs.astral.sh/uv/" in done.stderr


def test_bytecode_is_written_whatever_the_environment_says(clone, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text('#!/bin/sh\necho "${PYTHONDONTWRITEBYTECODE-unset}"\n')
    (tools / "uv").chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([clone / "run", "x"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "unset\n"


def test_all_but_dvc_is_run_as_it_is_written(clone, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(UV)
    (tools / "uv").chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run([clone / "run", "dvcx", "a b"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "uv runs: run -- dvcx a b\n"


def test_an_interrupted_stage_says_that_it_goes_on():
    """As DVC starts it, with Ctrl-C wherever it is, imports included."""
    start = "import sys; sys.argv = ['-m']; import pipeline_steps; raise KeyboardInterrupt"
    done = subprocess.run([sys.executable, "-c", start], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.strip() == "interrupted: what was finished is kept; run the same command again, it goes on"


def test_a_port_that_another_program_holds_is_named(monkeypatch):
    monkeypatch.setattr("flows.server._FREED_SECONDS", 0)  # it is not about to be freed
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} is held by another program"):
            start_server(port)


def test_a_proxy_is_not_asked_for_this_machine():
    ask = (
        "import flows, urllib.request as r; print([bool(r.proxy_bypass(h)) for h in ('127.0.0.1', 'localhost', 'a.b')])"
    )
    environment = {"PATH": os.environ["PATH"], "HTTP_PROXY": "http://192.0.2.1:3128", "NO_PROXY": "corp"}
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[True, True, False]\n"

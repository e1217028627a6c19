"""The Fitzpatrick17k download against a loopback server that misbehaves."""

import hashlib
import http.server
import sys
import threading
import typing

import pytest
from conftest import ROOT, run

from pipeline_steps import download as command
from pipeline_steps.download import download

BODIES = {f"/{n}.jpg": f"image {n}".encode() for n in range(4)}


class _Handler(http.server.BaseHTTPRequestHandler):
    asked: typing.ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        body = BODIES.get(self.path)
        status = 404 if body is None else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"altered" if self.path == "/3.jpg" else body or b"gone")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    _Handler.asked = []
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def test_download_checks_resumes_and_counts(tmp_path, server):
    digests = [hashlib.md5(BODIES[f"/{n}.jpg"]).hexdigest() for n in range(4)]
    rows = [f"{d},1,psoriasis,{server}/{n}.jpg" for n, d in enumerate(digests)]
    rows += [f"{'0' * 32},1,psoriasis,{server}/9.jpg", f"{'1' * 32},1,psoriasis,", f"{'2' * 32},1,acne,{server}/8.jpg"]
    csv = tmp_path / "t.csv"
    csv.write_text("md5hash,fitzpatrick_scale,label,url\n" + "\n".join(rows) + "\n")
    images = tmp_path / "images"
    images.mkdir()
    (images / f"{digests[0]}.jpg").write_bytes(BODIES["/0.jpg"])

    counts = download(csv, images, {"psoriasis"}, workers=1)
    assert counts == {"present": 1, "fetched": 2, "gone": 1, "wrong": 1, "no url": 1}
    assert sorted(f.stem for f in images.iterdir()) == sorted(digests[:3])
    assert "/0.jpg" not in _Handler.asked
    assert "/8.jpg" not in _Handler.asked
    assert download(csv, images, {"psoriasis"}, workers=1)["present"] == 3


@pytest.mark.parametrize(("flag", "status"), [("--help", 0), ("-h", 0), ("--dry-run", 2), ("acne", 2)])
def test_help_and_flags_that_are_none_fetch_nothing(flag, status, monkeypatch):
    def _refuse(*_, **__):
        raise AssertionError("download started")

    monkeypatch.setattr(command, "download", _refuse)
    monkeypatch.setattr(command, "read_params", _refuse)
    monkeypatch.setattr(sys, "argv", ["download", flag])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == status


def test_without_the_table_it_is_said_where_that_comes_from(place, monkeypatch):
    run(sys.executable, "-m", "pipeline_steps.configure", "paper", cwd=place, env_extra={"PYTHONPATH": str(ROOT)})
    monkeypatch.setattr(sys, "argv", ["download"])
    with pytest.raises(SystemExit, match=r"fitzpatrick17k\.csv is not there, .*github\.com/mattgroh/fitzpatrick17k"):
        command.main()


def test_a_profile_of_another_data_set_fetches_nothing(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["download"])
    monkeypatch.setattr(command, "download", lambda *_: pytest.fail("it fetches"))
    with pytest.raises(SystemExit, match=r"ingest\.adapter of params\.yaml is phantom"):
        command.main()

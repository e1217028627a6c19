"""A lab's server: its deployments, the notification of a failed run, and the retry of a crashed one."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import uuid4

import pytest
from conftest import ROOT, run
from server import Server, living_stages, small_clone, until

from flows.automations import mark_lost_runs, notify_failures
from pipeline_steps.stage.params import read_yaml

SLOW = """
stages:
  slow:
    cmd: exec python work.py sleep out/slow 8
    deps: [work.py]
    outs: [out/slow]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of its own."""
    made = Server(tmp_path_factory.mktemp("prefect"))
    yield made
    made.stop()


@contextmanager
def _receiver():
    """A web server that keeps what is posted to it: its port, and the bodies."""
    bodies = []

    class Page(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=listener.serve_forever, daemon=True).start()
    yield listener.server_address[1], bodies
    listener.shutdown()
    listener.server_close()


def test_a_run_is_lost_when_three_heartbeats_are_missing_and_it_has_not_ended():
    trigger = mark_lost_runs().trigger
    (deployment, *_) = read_yaml(ROOT / "prefect.yaml")["deployments"]
    every = int(deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
    assert trigger.within.total_seconds() == 3 * every
    assert trigger.after == {"prefect.flow-run.heartbeat"}
    assert trigger.expect - trigger.after == {
        f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")
    }


def test_only_runs_of_the_pipeline_are_told_of():
    trigger = notify_failures(uuid4()).trigger
    assert trigger.match_related.root == {"prefect.resource.role": "flow", "prefect.resource.name": "augment"}
    assert trigger.expect == {"prefect.flow-run.Failed", "prefect.flow-run.Crashed"}


def test_a_crash_is_retried_once_and_by_no_deployment_of_its_own():
    deployments = {one["name"]: one for one in read_yaml(ROOT / "prefect.yaml")["deployments"]}
    triggered = {name: one["triggers"] for name, one in deployments.items() if "triggers" in one}
    assert set(triggered) == {"retry"}
    assert [one["match_related"]["prefect.resource.name"] for one in triggered["retry"]] == ["pipeline"]


def _lab(server, folder):
    """A clone whose deployments a worker on this machine runs, and the settings by which one talks to its server."""
    clone = small_clone(folder, SLOW)
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    settings = {name: value for name, value in server.environment.items() if name.startswith("PREFECT_")}
    run(*prefect, "work-pool", "create", "gpu-box", "--type", "process", "--overwrite", cwd=clone, env_extra=settings)
    run(*prefect, "deploy", "--all", cwd=clone, env_extra=settings)
    return clone, prefect, settings


@pytest.mark.slow
def test_the_deployments_of_a_lab_deploy(server, tmp_path):
    _lab(server, tmp_path / "lab")
    found = {row["name"]: row for row in server.ask("deployments")}
    assert set(found) == {"pipeline", "retry", "images", "experiment", "grid", "nightly"}
    form = found["experiment"]["parameter_openapi_schema"]["properties"]
    assert form["cores"]["type"] == "integer"
    assert form["force"]["type"] == "boolean"
    assert "description" in form["overrides"]
    assert found["nightly"]["schedules"][0]["active"] is False


@pytest.mark.slow
def test_a_crashed_run_is_told_of_and_goes_on_in_another(server, tmp_path):
    """As a preemption ends it: the process is killed; the worker says so, and the automations do the rest."""
    clone, prefect, settings = _lab(server, tmp_path / "lab")
    with _receiver() as (port, bodies):
        address = f"http://127.0.0.1:{port}/hook"
        run(sys.executable, "-m", "flows.automations", "--webhook", address, cwd=clone, env_extra=settings)
        command = [*prefect, "worker", "start", "--pool", "gpu-box", "--type", "process"]
        worker = subprocess.Popen(
            command,
            cwd=clone,
            env={**server.environment, "PREFECT_WORKER_QUERY_SECONDS": "1", "PYTHONPATH": str(clone)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            run(*prefect, "deployment", "run", "augment/pipeline", cwd=clone, env_extra=settings)
            until(lambda: living_stages(clone))
            (tag,) = [tag for tag in server.last_run()["tags"] if tag.startswith("process:")]
            os.kill(int(tag.split(":")[2]), signal.SIGKILL)
            names = {row["id"]: row["name"] for row in server.ask("deployments")}

            def ended():
                rows = server.ask("flow_runs", flows={"name": {"any_": ["augment"]}})
                states = {names.get(row["deployment_id"]): row["state_type"] for row in rows}
                return states if states.get("retry") in ("COMPLETED", "FAILED", "CRASHED") else None

            assert until(ended) == {"pipeline": "CRASHED", "retry": "COMPLETED"}
            assert (clone / "out/slow").read_text() == "sleep"
            (told,) = until(lambda: bodies)
            assert "ended as Crashed" in told["text"]
        finally:
            os.killpg(worker.pid, signal.SIGTERM)
            worker.wait()

"""A run that is interrupted or killed: nothing of it is left, and the next one goes on."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
from conftest import run
from flow_graphs import GRAPH, SLOW
from server import living_stages, small_clone, until


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
    run_ = server.last_run()
    until(lambda: server.stages(run_).get("after", {}).get("state_name") == "Waiting")
    process.send_signal(sign)
    process.communicate(timeout=300)
    assert process.returncode != 0
    until(lambda: not living_stages(clone))
    assert not (clone / "out/slow").exists()
    until(lambda: server.stages(run_)["after"]["state_name"] == "Cancelled")


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


def _recorded(clone):
    """Names of the stages that the temporary server's record holds, in which they can be looked at later."""
    with sqlite3.connect(clone.parent / "prefect/prefect.db") as record:
        return {name for (name,) in record.execute("select name from task_run")}


@pytest.mark.slow
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_in_a_terminal_ends_flow_server_and_stage(tmp_path, presses):
    """The terminal signals the whole group; a flow whose temporary server dies of that waits for it for minutes."""
    clone = small_clone(tmp_path / "slow", SLOW.replace("sleep out/slow 4", "sleep out/slow 400"))
    process = _alone(clone, "flows.augment")
    until(lambda: living_stages(clone))
    started = _of(process.pid)
    assert any("prefect" in p.cmdline() for p in started)
    until(lambda: {"slow", "after"} <= _recorded(clone))
    for _ in range(presses):
        os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert output.rstrip().endswith("interrupted: what was finished is kept; the next run goes on from there")
    assert not [line for line in output.splitlines() if "Crash detected" in line or "Traceback" in line]
    until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in started), 30)
    again = run("dvc", "status", cwd=clone)
    assert "had been killed" not in again.stdout + again.stderr


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

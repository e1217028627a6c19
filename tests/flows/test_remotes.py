"""DVC remotes elsewhere, and the pods that a Kubernetes pool makes."""

import asyncio
import getpass
import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from conftest import ROOT, run
from lab import BRANCHES, answers, done_in, free_port
from server import small_clone, until


@pytest.fixture
def sshd(tmp_path):
    """A real OpenSSH server on loopback that knows one key; the SSH options of a DVC remote on it."""
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists():
        pytest.skip("no sshd: apt-get install openssh-server")
    for name in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name), cwd=tmp_path)
    (tmp_path / "known").write_text((tmp_path / "user.pub").read_text())
    port = free_port()
    (tmp_path / "sshd.conf").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path / 'host'}\nAuthorizedKeysFile {tmp_path / 'known'}\n"
        "StrictModes no\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n"
        f"PidFile {tmp_path / 'sshd.pid'}\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)  # where sshd, as root, parks its unprivileged half
    process = subprocess.Popen([program, "-D", "-e", "-f", str(tmp_path / "sshd.conf")], stderr=subprocess.PIPE)
    until(lambda: process.poll() is not None or answers(port))
    assert process.poll() is None, process.stderr.read()
    yield {"url": f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/far", "keyfile": str(tmp_path / "user")}
    process.terminate()
    process.wait()


@pytest.fixture
def bucket(monkeypatch):
    """A bucket on a local server that speaks S3; the options of a DVC remote in it."""
    port = free_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL
    )
    until(lambda: answers(port))
    httpx.put(f"http://127.0.0.1:{port}/lab").raise_for_status()
    yield {"url": "s3://lab/equiderm", "endpointurl": f"http://127.0.0.1:{port}"}
    process.terminate()
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sshd", "bucket"])
def test_the_remote_may_be_elsewhere(kind, request, tmp_path):
    options = request.getfixturevalue(kind)
    head = small_clone(tmp_path / "head", BRANCHES)
    run("dvc", "remote", "add", "-d", "shared", options.pop("url"), cwd=head)
    for name, value in options.items():
        run("dvc", "remote", "modify", "shared", name, value, cwd=head)
    run("git", "add", "-A", cwd=head)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "lab", cwd=head)
    other = tmp_path / "other"
    run("git", "clone", "-q", str(head), str(other), cwd=tmp_path)
    run("dvc", "repro", "branch", cwd=head)
    run("dvc", "push", "--run-cache", cwd=head)
    run("dvc", "repro", "--pull", "branch", cwd=other)
    assert len(done_in(head)) == 4
    assert done_in(other) == []
    assert (other / "out/a").read_text() == "sleep"


def test_the_kubernetes_template_makes_a_job_that_clones_and_runs_a_stage():
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

    template = json.loads((ROOT / "flows/kubernetes.json").read_text())
    WorkPoolCreate(name="lab", type="kubernetes", base_job_template=template)
    values = {"env": {"REPOSITORY": "https://example.org/lab.git"}, "gpus": "2"}
    nobody = PrefectClient("http://127.0.0.1:9/api")  # nothing in the template asks a server
    made = asyncio.run(KubernetesWorkerJobConfiguration.from_template_and_values(template, values, client=nobody))
    pod = made.job_manifest["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert "git clone" in container["command"][-1]
    assert container["command"][-1].endswith("exec uv run prefect flow-run execute")
    assert container["resources"]["limits"] == {"memory": "32Gi", "nvidia.com/gpu": "2"}
    assert "example.org/lab.git" in json.dumps(container["env"])
    assert pod["restartPolicy"] == "Never"

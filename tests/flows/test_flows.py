"""The flow's own laws: what runs when, who holds which cores, how a command ends."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT, run
from dvc.utils.serialize import dumps_yaml, parse_yaml
from server import small_clone

from flows.dry_run import show_plan
from flows.durations import Estimates, record_duration
from flows.lock_cache import parse_lock
from flows.lockfile import sort_lock
from flows.plan import Stage, _resources, _wanted
from flows.process import StageFailedError, _parse, _run
from flows.resource_usage import Usage, as_markdown, sampled
from flows.resources import Resources
from flows.schedule import clean_groups


def _hold(requests, cores, gpus):
    """Start all requests at once; who ran beside whom, and in which order they started."""

    async def go():
        slots, running, beside, order = Resources(cores, list(gpus)), set(), [], []

        async def one(name, c, g):
            async with slots.take(c, g) as devices:
                running.add(name)
                order.append((name, devices))
                beside.append(frozenset(running))
                await asyncio.sleep(0.02)
                running.discard(name)

        await asyncio.gather(*(one(*r) for r in requests))
        assert slots.all_free
        assert slots.gpus == list(gpus)
        return beside, order

    return asyncio.run(go())


def test_cores_are_never_shared_out_twice():
    beside, _ = _hold([(f"{i}", 1 + i % 2, 0) for i in range(9)], 3, ())
    assert max(sum(1 + int(n) % 2 for n in names) for names in beside) <= 3


def test_a_request_larger_than_the_machine_gets_the_machine():
    beside, _ = _hold([("a", 16, 2), ("b", 1, 0)], 2, ("0",))
    assert all(len(names) == 1 for names in beside)


def test_a_large_request_comes_to_its_turn():
    _, order = _hold([("a", 1, 0), ("wide", 2, 0), *((f"{i}", 1, 0) for i in range(5))], 2, ())
    assert [name for name, _ in order][:2] == ["a", "wide"]


def test_each_gpu_goes_to_one_and_cpu_stages_do_not_wait_for_it():
    beside, order = _hold([("g1", 1, 1), ("g2", 1, 1), ("g3", 1, 1), ("c", 1, 0)], 8, ("0", "1"))
    assert [name for name, _ in order][:3] == ["g1", "g2", "c"]
    assert dict(order)["g1"] != dict(order)["g2"]
    assert all(len([n for n in names if n.startswith("g")]) <= 2 for names in beside)


def test_memory_is_shared_out_like_cores():
    async def go():
        slots, now, most = Resources(8, [], memory=10.0), [], []

        async def one(memory):
            async with slots.take(1, 0, memory):
                now.append(memory)
                most.append(sum(now))
                await asyncio.sleep(0.02)
                now.remove(memory)

        await asyncio.gather(*(one(m) for m in (6.0, 3.0, 5.0, 9.0, 1.0)))
        return most, slots.all_free

    most, free = asyncio.run(go())
    assert max(most) <= 10
    assert free


def test_a_cancelled_request_gives_nothing_away():
    async def go():
        slots = Resources(1, [])

        async def hold():
            async with slots.take(1, 0):
                await asyncio.sleep(5)

        first, second = asyncio.create_task(hold()), asyncio.create_task(hold())
        await asyncio.sleep(0.01)
        second.cancel()
        first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        return slots.all_free

    assert asyncio.run(go())


def _lines_of(code):
    said = []

    async def listen(line):
        said.append(line)

    asyncio.run(_run("s", [sys.executable, "-c", code], listen, {}))
    return said


def test_lines_and_bars_are_told_apart():
    bar = _parse("denoiser:  13%|█▎        | 1417/10500 [17:46<56:08,  2.70it/s]")
    assert (bar.percent, bar.text) == (13.0, "denoiser 1417/10500 [17:46<56:08,  2.70it/s]")
    assert _parse("a | b 5%").percent is None
    said = _lines_of("import sys; sys.stderr.write('x: 1%|#| 1/9 [0]\\rx: 2%|#| 2/9 [0]\\r' * 5000 + 'end\\n')")
    assert len(said) == 10001
    assert said[-1].text == "end"


def test_a_failure_ends_with_the_last_lines():
    with pytest.raises(StageFailedError, match=r"status 3:\n(?s:.*)the reason"):
        _lines_of("import sys; print('the reason'); sys.exit(3)")


def test_cancelling_kills_the_whole_group(tmp_path):
    up = str(tmp_path / "up")
    code = f"import subprocess, time; subprocess.Popen(['sleep', '77']); open({up!r}, 'w'); time.sleep(77)"

    async def go():
        async def listen(_line):
            pass

        running = asyncio.create_task(_run("s", [sys.executable, "-c", code], listen, {}))
        while not (tmp_path / "up").exists():
            await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(go())
    assert not _alive("sleep\x0077")


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")
def test_a_killed_parent_takes_its_command_along():
    parent = (
        "import subprocess, time; "
        "from flows import process_group; "
        "subprocess.Popen(process_group.command('/bin/sh', '-c', '/bin/sleep 78; true'), start_new_session=True); "
        "time.sleep(78)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT)
    _wait_for(lambda: _alive("/bin/sleep\x0078"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_for(lambda: not _alive("/bin/sleep\x0078"))


def _alive(command):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            dead = b"State:\tZ" in (entry / "status").read_bytes()
            if command.encode() in (entry / "cmdline").read_bytes() and not dead:
                found.append(entry.name)
        except OSError:
            continue
    return found


def _wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("waited 60 s in vain")


def test_targets_bring_what_they_need():
    edges = {"a": [], "b@1": ["a"], "b@2": ["a"], "c": ["b@1"]}
    assert _wanted(edges, ()) == set(edges)
    assert _wanted(edges, ("b",)) == {"a", "b@1", "b@2"}
    assert _wanted(edges, ("c",)) == {"a", "b@1", "c"}
    with pytest.raises(ValueError, match="no stage d; 'dvc stage list'"):
        _wanted(edges, ("d",))


def test_an_unknown_target_is_told_with_what_may_be_meant():
    edges = {"generate@a-iii-0": [], "split": []}
    with pytest.raises(ValueError, match=r"no stage generat \(did you mean generate\?\), zzz; 'dvc stage list'"):
        _wanted(edges, ("generat", "zzz", "split"))
    with pytest.raises(ValueError, match=r"generate@a-ii-0 \(did you mean generate@a-iii-0"):
        _wanted(edges, ("generate@a-ii-0",))


def test_a_dry_run_shows_overrides_first_and_calls_nothing_stale_for_the_check_alone():
    changed = tuple(f"modified dependency {n}.py" for n in range(5))
    numbers = ("classifier.updates 400 → 7", "classifier.size 1 → 2")
    plan = [
        Stage("check_params", "", (), ("modified dependency params.yaml",)),
        Stage("ingest", "", ("check_params",), ()),
        Stage("train", "", ("ingest", "check_params"), (*changed, *numbers)),
        Stage("report", "", ("train",), ()),
    ]
    lines = show_plan(plan, ("classifier.updates=7",)).splitlines()
    assert lines[0] == "with -S classifier.updates=7"
    assert [line.split()[0] for line in lines[2:-1]] == ["check_params", "train", "report"]
    assert lines[3].split("?  ")[-1].startswith("classifier.updates 400 → 7; modified dependency 0.py")
    assert lines[-1] == "3 of 4 stages may run"


def test_only_what_nothing_can_change_shares_a_task():
    def stage(name, *needs, why=()):
        return Stage(name, "", needs, why)

    plan = [
        stage("a"),
        stage("b@1", "a"),
        stage("c@1", "b@1"),
        stage("b@2", "a"),
        stage("b@3", "a", why=("modified",)),
        stage("c@3", "b@3"),
        stage("c@2", "b@2", "outside the targets"),
        stage("d", "c@1", "c@3"),
    ]
    assert [[s.name for s in group] for group in clean_groups(plan)] == [["a"], ["b@1", "b@2"], ["c@1", "c@2"]]


def test_the_lock_keeps_the_order_of_the_plan(tmp_path):
    lock = tmp_path / "dvc.lock"
    stages = {name: {"cmd": name, "deps": [{"path": "x", "md5": "1"}]} for name in ("late", "12", "a@1", "gone", "b")}
    lock.write_text(dumps_yaml({"schema": "2.0", "stages": stages}))
    sort_lock(["12", "a@1", "b", "late"], lock)
    order = ("12", "a@1", "b", "gone", "late")
    assert lock.read_text() == dumps_yaml({"schema": "2.0", "stages": {name: stages[name] for name in order}})
    before = lock.stat().st_mtime_ns
    sort_lock(["12", "a@1", "b", "late"], lock)
    assert lock.stat().st_mtime_ns == before


CELLS = """
stages:
  write:
    foreach: [a, b, "3"]
    do:
      cmd: exec python work.py write out/${item}
      deps: [work.py]
      params: [some]
      outs: ["out/${item}"]
"""


def test_the_lock_is_written_as_dvc_writes_it(tmp_path):
    """A new lock, new stages in one, and stages that ran again: the same bytes, and none but theirs change."""
    values = ("{x: 1.0e-05, y: [], z: null, n: 3, long: '" + "word " * 60 + "'}", "{x: 0.1, y: {q: [1, two]}, z: 'no'}")
    clones = {module: small_clone(tmp_path / module, CELLS) for module in ("dvc", "flows.dvc_command")}
    for step, targets in enumerate((["write@b"], [], ["write@3"])):
        locks = []
        for module, clone in clones.items():
            (clone / "params.yaml").write_text(f"some: {values[step == 2]}\n")
            run(sys.executable, "-m", module, "repro", *targets, cwd=clone)
            locks.append((clone / "dvc.lock").read_bytes())
        assert locks[0] == locks[1], step


def test_only_new_blocks_of_the_lock_are_parsed(tmp_path):
    """Whatever is kept, also damaged: what DVC is told is what its own parser says."""
    asked = []

    def parse(part):
        asked.append(part)
        return parse_yaml(part, "dvc.lock")

    values = {"a": 1e-05, "'3'": "no", "c@x": "2020-01-01", "d": [None, {"y": "text " * 40}]}
    stages = {name: {"cmd": name, "params": {"params.yaml": {"v": value}}} for name, value in values.items()}
    lock = dumps_yaml({"schema": "2.0", "stages": stages})
    assert parse_lock(lock, tmp_path, parse) == parse_yaml(lock, "dvc.lock")
    assert parse_lock(lock, tmp_path, parse) == parse_yaml(lock, "dvc.lock")
    assert asked == [lock], "the second time all is kept"
    stages["d"]["cmd"] = "another"
    changed = dumps_yaml({"schema": "2.0", "stages": dict(reversed(stages.items()))})
    again = parse_lock(changed, tmp_path, parse)
    assert again == parse_yaml(changed, "dvc.lock")
    assert list(again["stages"]) == list(parse_yaml(changed, "dvc.lock")["stages"])
    assert asked[1:] == [dumps_yaml({"schema": "2.0", "stages": {"d": stages["d"]}})]
    again["stages"]["a"]["cmd"] = "spoilt by who was given it"
    assert parse_lock(changed, tmp_path, parse) == parse_yaml(changed, "dvc.lock")
    (kept,) = tmp_path.iterdir()
    stored = kept.read_bytes()
    for damaged in (b"", stored[:100], stored[:-1] + bytes([stored[-1] ^ 1])):
        kept.write_bytes(damaged)
        asked.clear()
        assert parse_lock(changed, tmp_path, parse) == parse_yaml(changed, "dvc.lock")
        assert asked == [changed]


@pytest.mark.parametrize(
    "lock",
    [
        "schema: '2.0'\nstages:\n  a: &one\n    cmd: x\n  b:\n    <<: *one\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: &it x\n  b:\n    cmd: *it\n",
        "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    when: 2020-01-01\n",
        "stages: {a: {cmd: x}}\n",
    ],
)
def test_a_lock_unlike_dvcs_is_parsed_whole(tmp_path, lock):
    for _ in range(2):
        assert parse_lock(lock, tmp_path, lambda part: parse_yaml(part, "dvc.lock")) == parse_yaml(lock, "dvc.lock")
    first, changed = lock, lock.replace("x", "y")
    parse_lock(first, tmp_path, lambda part: parse_yaml(part, "dvc.lock"))
    assert parse_lock(changed, tmp_path, lambda part: parse_yaml(part, "dvc.lock")) == parse_yaml(changed, "dvc.lock")


def test_a_lock_that_another_hand_wrote_is_left_to_dvc(tmp_path):
    clone = small_clone(tmp_path / "clone", CELLS)
    (clone / "params.yaml").write_text("some: 1\n")
    run("dvc", "repro", cwd=clone)
    lock = clone / "dvc.lock"
    whole = lock.read_text()
    lock.write_text("# mine\n" + whole)
    (clone / "params.yaml").write_text("some: 2\n")
    run(sys.executable, "-m", "flows.dvc_command", "repro", cwd=clone)
    assert lock.read_text() == "# mine\n" + whole.replace("some: 1", "some: 2")


def test_a_parameter_is_found_as_dvc_finds_it(tmp_path):
    """Those of the plan are looked up by name; a wildcard, or what is missing, still as DVC does."""
    clone = small_clone(tmp_path / "clone", CELLS.replace("[some]", "[some.x, some.deep.y, other]"))
    (clone / "params.yaml").write_text("some: {x: 1, deep: {y: [2]}}\nother: {z: 3}\n")
    run("dvc", "repro", cwd=clone)
    assert run(sys.executable, "-c", PLAN, cwd=clone).stdout == "{'write@a': (), 'write@b': (), 'write@3': ()}\n"
    (clone / "params.yaml").write_text("some: {x: 1, deep: {y: [5]}}\nother: {z: 3}\n")
    assert "some.deep.y [2] → [5]" in run(sys.executable, "-c", PLAN, cwd=clone).stdout
    (clone / "params.yaml").write_text("some: {x: 1, deep: {}}\nother: {z: 3}\n")
    assert "some.deep.y [2] → nothing" in run(sys.executable, "-c", PLAN, cwd=clone).stdout


def test_estimates_come_from_the_stage_or_its_group(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Estimates().text("generate@x") == "?"
    record_duration("generate@x", "Completed", 12.3)
    record_duration("generate@x", "Unchanged", 0.1)
    assert [Estimates().text(stage) for stage in ("generate@x", "generate@y", "split")] == ["12", "12", "?"]


def test_resources_come_from_meta_and_nothing_else_is_allowed_there():
    stage = SimpleNamespace(addressing="a", meta={"cores": "2", "hours": 1})
    assert _resources(stage) == {"cores": 2, "gpus": 0, "memory": 0.0, "hours": 1.0, "retries": 0}
    with pytest.raises(ValueError, match="a: meta holds gpu, not cores, gpus, memory"):
        _resources(SimpleNamespace(addressing="a", meta={"gpu": 1}))


def test_usage_counts_children_and_draws_a_curve():
    work = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**9))'], timeout=20)"

    async def go():
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", work, start_new_session=True)
        series = []
        async with sampled(process.pid, (), series):
            await asyncio.sleep(5)
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        return series

    series = asyncio.run(go())
    assert len(series) == 2
    assert series[-1].cpu > 20  # the leader only waits: this is its child's
    assert series[-1].memory > 10
    text = as_markdown([Usage(2, 50, 100), Usage(4, 100, 300)])
    assert "| CPU, % of one core | 75 | 100 | ![CPU, % of one core](data:image/svg+xml;base64," in text
    assert "GPU" not in text


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


COMMANDS = {
    "flows.augment": ["--dry-run"],
    "flows.serve": [],
    "flows.worker": ["--pool", "lab"],
    "pipeline_steps.configure": ["toy"],
    "pipeline_steps.select_subset": [part for x in ("dataset", "groups", "out", "metrics") for part in (f"--{x}", "x")],
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The files as a ZIP download has them: no .git."""
    folder = tmp_path_factory.mktemp("archive") / "equiderm"
    small_clone(folder, CELLS)
    shutil.rmtree(folder / ".git")
    return folder


def _said_by(command, folder, root):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")} | {"PYTHONPATH": str(root)}
    environment |= {"PREFECT_API_URL": "http://127.0.0.1:9/api"} if command == "flows.worker" else {}
    arguments = [sys.executable, "-m", command, *COMMANDS[command]]
    return subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "pipeline_steps.configure"])
def test_an_archive_without_git_is_named_with_the_remedy(archive, command):
    done = _said_by(command, archive, archive)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("error: ")
    if command == "pipeline_steps.select_subset":  # needs no git: what it lacks is its input
        assert done.stderr == "error: x/manifest.parquet does not exist: 'dvc repro' makes what this stage reads\n"
    else:
        assert "not a git repository" in done.stderr
        assert "git init && git add -A && git commit -m start" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_from_a_subfolder_is_told_where_to_run(archive, command):
    done = _said_by(command, archive / "docs", archive)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("error: ")
    assert "run from the repository's root" in done.stderr


def test_an_archive_without_hidden_files_is_told_so(archive, tmp_path):
    (tmp_path / "dvc.yaml").write_text(CELLS)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    done = _said_by("flows.augment", tmp_path, archive)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "has no folder .dvc, so DVC does not know it: copy the hidden files, too" in done.stderr


def test_nothing_is_reported_to_anybody():
    ask = (
        "import os, flows.augment; from prefect.settings import get_current_settings as now; "
        "print(now().server.analytics_enabled, os.environ['DO_NOT_TRACK'])"
    )
    names = ("DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False 1\n"


FROZEN = """
stages:
  long:
    frozen: true
    cmd: exec python work.py write out/long
    deps: [work.py]
    outs: [{out/long: {cache: false}}]
  short:
    cmd: exec python work.py write out/short
    deps: [out/long]
    outs: [out/short]
"""
PLAN = "from flows.plan import read_plan; print({s.name: s.why for s in read_plan()})"


TWO_FROZEN = FROZEN.replace(
    "  short:",
    """  longer:
    frozen: true
    cmd: exec python work.py write out/longer
    deps: [out/long]
    outs: [out/longer]
  short:""",
).replace("deps: [out/long]\n    outs: [out/short]", "deps: [out/longer]\n    outs: [out/short]")


def test_a_frozen_stage_is_not_planned_to_run(tmp_path):
    """Not for what it reads, not for what comes before it, and not when it was itself edited: DVC never runs it."""
    clone = small_clone(tmp_path / "clone", TWO_FROZEN)
    (clone / "out").mkdir()
    for name in ("long", "longer"):
        (clone / "out" / name).write_text("as it ships")
        run("dvc", "commit", "--force", name, cwd=clone)
    run("dvc", "repro", cwd=clone)
    (clone / "dvc.yaml").write_text(TWO_FROZEN.replace("write out/long\n", "write  out/long\n"))
    planned = run(sys.executable, "-m", "flows.augment", "--dry-run", cwd=clone).stdout.splitlines()
    assert planned[1:] == ["long is frozen and does not run: changed command", "0 of 3 stages may run"]


def test_frozen_stages_are_left_alone_when_all_is_forced():
    frozen, stale = Stage("long", "", (), (), frozen=True), Stage("first", "", (), ("modified",))
    after = Stage("longer", "", ("first",), (), frozen=True)
    assert clean_groups([frozen, stale, after]) == [[frozen], [after]]


def _with_a_lock(folder):
    """A small repository whose stages are done and whose lock is committed; one of them is frozen."""
    clone = small_clone(folder, FROZEN)
    (clone / "out").mkdir(exist_ok=True)
    (clone / "out/long").write_text("as it ships")
    run("dvc", "commit", "--force", "long", cwd=clone)
    run("dvc", "repro", cwd=clone)
    run("git", "add", "-A", cwd=clone)
    run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "ran", cwd=clone)
    return clone


@pytest.mark.parametrize("part", [0, 60])
def test_half_a_lock_is_mended_from_the_last_commit(tmp_path, part):
    """Else DVC would not know what is frozen (nothing was written), or refuse (a part of an entry was)."""
    clone = _with_a_lock(tmp_path / "clone")
    lock = clone / "dvc.lock"
    whole = lock.read_bytes()
    lock.write_bytes(whole[:part])
    planned = run(sys.executable, "-c", PLAN, cwd=clone)
    assert "written in part only" in planned.stderr
    assert planned.stdout == "{'long': (), 'short': ()}\n"
    assert lock.read_bytes() == whole


def test_a_lock_with_a_conflict_is_left_to_its_owner(tmp_path):
    clone = _with_a_lock(tmp_path / "clone")
    lock = clone / "dvc.lock"
    text = "<<<<<<< HEAD\n" + lock.read_text()
    lock.write_text(text)
    assert run(sys.executable, "-c", PLAN, cwd=clone, check=False).returncode != 0
    assert lock.read_text() == text


def test_a_stage_that_never_ran_is_called_so(tmp_path):
    clone = _with_a_lock(tmp_path / "clone")
    pipeline = clone / "dvc.yaml"
    new = "  new:\n    cmd: exec python work.py write out/new\n    deps: [out/short, work.py]\n    outs: [out/new]\n"
    pipeline.write_text(pipeline.read_text() + new)
    planned = run(sys.executable, "-c", PLAN, cwd=clone).stdout
    assert planned == "{'long': (), 'short': (), 'new': ('dvc.lock knows no run of it',)}\n"
    run("dvc", "repro", "new", cwd=clone)
    (clone / "out/new").unlink()
    assert "'new': ('deleted output out/new',)" in run(sys.executable, "-c", PLAN, cwd=clone).stdout

"""Stages that run at once fit into the machine's memory; what can't fit is said before it is tried."""

import asyncio
import json

import psutil
import pytest

from flows import memory, resources
from flows.dry_run import needed, show_plan
from flows.memory import Peaks, free_memory, needs, weights_size
from flows.plan import Stage
from flows.resources import Resources

GENERATE = "exec python -m pipeline_steps.generate --augmenter a --weights {weights} --out 'data/synthetic/a b'"
ARGUMENTS = ["--augmenter", "a", "--weights", "w", "--out", "data/synthetic/a b"]


def _stage(name, mib, *, gpus=0, needs=(), why=("x",)):
    return Stage(name, "", needs, why, gpus=gpus, memory=mib)


def _most_at_once(stages, machine):
    """Start all at once; names of those that ran together."""

    async def go():
        running, together = set(), []

        async def one(stage):
            async with machine.take(stage.cores, stage.gpus, stage.memory):
                running.add(stage.name)
                together.append(frozenset(running))
                await asyncio.sleep(0.01)
                running.discard(stage.name)

        await asyncio.gather(*map(one, stages))
        assert machine.all_free
        return together

    return asyncio.run(go())


def test_two_stages_of_3_gib_do_not_overlap_on_4_gib():
    stages = [_stage("a", 3072), _stage("b", 3072), _stage("c", 1024)]
    together = _most_at_once(stages, Resources(8, [], memory=4096))
    assert not [names for names in together if {"a", "b"} <= names]
    assert [names for names in together if "c" in names and len(names) == 2]
    assert frozenset("ab") in _most_at_once(stages, Resources(8, [], memory=8192)), "they would, with room for both"


def test_a_stage_over_the_limit_runs_alone_and_is_warned_about():
    plan = [_stage("small", 260), _stage("large", 6000), _stage("other", 260)]
    machine = Resources(8, [], memory=4096)
    assert all(len(names) == 1 for names in _most_at_once(plan, machine) if "large" in names)
    need, *warnings = needed(plan, machine)
    assert [w.split(": it will")[0] for w in warnings] == [
        "warning: large needs 6,000 MiB, more than this machine has free (4,096)"
    ]
    assert need.startswith("needs at once about 6,000 MiB of memory (4,096 are free)")
    assert show_plan(plan, (), [need, *warnings]).splitlines()[-3:-1] == [need, *warnings]


def test_what_does_not_run_needs_nothing():
    plan = [_stage("large", 6000, why=()), _stage("small", 260)]
    machine = Resources(8, [], memory=4096)
    assert needed(plan, machine) == ["needs at once about 260 MiB of memory (4,096 are free), 0 GPU slots (here are 0)"]
    assert len(needed(plan, machine, force=True)) == 2
    assert needed(plan[:1], machine) == []


def test_a_plan_needs_what_may_run_together_on_such_a_machine():
    chain = [_stage("a", 1000), _stage("b", 500, needs=("a",)), _stage("c", 700, gpus=1, needs=("a",))]
    wide = [*chain, _stage("d", 900, gpus=1, needs=("a",))]

    def found(plan, cores, gpus, mib=10_000):
        return needs(plan, [s.name for s in plan], cores, gpus, mib)

    assert found(chain, 8, 1).memory == 1200
    assert found(wide, 8, 2) == memory.Needs(2100, 2, ())
    assert found(wide, 8, 1) == memory.Needs(1200, 1, ())
    assert found(wide, 1, 2) == memory.Needs(1000, 1, ())
    assert found(wide, 8, 2, 1500).memory <= 1500


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    return tmp_path


def _ran(here, *rows):
    lines = [json.dumps({"stage": "generate", "arguments": a, "peak_mib": mib, "status": "failed"}) for a, mib in rows]
    (here / "runs/stages.jsonl").write_text("\n".join([*lines, '{"stage": "gen']))


def test_the_larger_of_what_is_declared_and_the_highest_measured_counts(here):
    command = GENERATE.format(weights="w")
    assert Peaks().need(command, 1400) == 1400
    _ran(here, (ARGUMENTS, 2000), (ARGUMENTS, 1500), ([*ARGUMENTS[:-1], "data/synthetic/other"], 9000))
    assert Peaks().need(command, 1400) == 2000
    assert Peaks().need(command, 3000) == 3000
    assert Peaks().need("echo", 5) == 5


def test_weights_come_on_top_of_what_is_declared_and_copies_in_half_precision_do_not(here):
    for name, mib in {"unet/a.safetensors": 3, "unet/a.fp16.safetensors": 2, "unet/a.bin": 3, "vae/b.bin": 1}.items():
        file = here / "w" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(mib * 2**20))
    (here / "w/all.safetensors").write_bytes(bytes(4 * 2**20))
    assert weights_size(here / "w") == 4
    assert weights_size(here / "w/vae") == 1
    assert weights_size(here / "absent") == 0
    assert Peaks().need(GENERATE.format(weights="w"), 1400) == 1404


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"memory.max": "max"}, 8000),
        ({"memory.max": 4000, "memory.current": 1000, "memory.stat": 250}, 3250),
        ({"memory.max": 40_000, "memory.current": 1000, "memory.stat": 0}, 8000),
        ({"memory/memory.limit_in_bytes": 3000, "memory/memory.usage_in_bytes": 1000, "memory/memory.stat": 0}, 2000),
        ({}, 8000),
    ],
)
def test_free_is_what_the_control_group_leaves_of_what_is_available(files, left, tmp_path, monkeypatch):
    for name, mib in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        kept = "total_inactive_file" if "/" in name else "inactive_file"
        value = mib if mib == "max" else mib * 2**20
        (tmp_path / name).write_text(f"{kept} {value}\n" if name.endswith("stat") else f"{value}\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("M", (), {"available": 8000 * 2**20}))
    assert free_memory() == left
    assert resources.this_machine().memory == left

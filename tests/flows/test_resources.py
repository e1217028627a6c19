"""Who holds which cores, GPUs and memory, and what a stage uses of them."""

import asyncio
import os
import signal
import sys
from types import SimpleNamespace

import pytest

from flows.memory import Peaks
from flows.plan import _resources
from flows.resource_usage import Usage, as_markdown, sampled
from flows.resources import Resources


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


def test_resources_come_from_meta_and_nothing_else_is_allowed_there():
    stage = SimpleNamespace(addressing="a", cmd="x", meta={"cores": "2", "hours": 1})
    assert _resources(stage, Peaks()) == {"cores": 2, "gpus": 0, "memory": 0, "hours": 1.0, "retries": 0}
    with pytest.raises(ValueError, match="a: meta holds gpu, not cores, gpus, memory"):
        _resources(SimpleNamespace(addressing="a", meta={"gpu": 1}), Peaks())


def test_usage_counts_children_and_draws_a_curve(monkeypatch):
    monkeypatch.setattr("flows.resource_usage._INTERVAL", 0.5)
    work = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**9))'], timeout=20)"

    async def go():
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", work, start_new_session=True)
        series = []
        async with sampled(process.pid, (), series):
            while len(series) < 3:
                await asyncio.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        return series

    series = asyncio.run(go())
    assert series[-1].cpu > 2  # the leader only waits: this is its child's
    assert series[-1].memory > 10
    text = as_markdown([Usage(2, 50, 100), Usage(4, 100, 300)])
    assert "| CPU, % of one core | 75 | 100 | ![CPU, % of one core](data:image/svg+xml;base64," in text
    assert "GPU" not in text

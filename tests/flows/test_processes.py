"""A stage's process: its lines, its bars, its end, and nothing of it left."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from flows.process import StageFailedError, _parse, _run


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

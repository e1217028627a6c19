"""What a run shows in the terminal: a line a stage, an estimate that says so, and nothing of Prefect's or DVC's own."""

import asyncio
import io
import logging

import pytest
from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console

from flows import progress, terminal
from flows.durations import LOG, STAGE_LOG, Estimates, Remaining, record_duration, remaining
from flows.plan import Stage
from flows.process import Line, _last_own_line
from flows.terminal import Terminal, clock, describe, mute_prefect, shown_in_terminal

PLAN = [
    Stage("same", "Never ran", (), ()),
    Stage("a", "Reads", ("same",), ("modified dependency x",)),
    Stage("b@1", "Trains", ("a",), ()),
    Stage("b@2", "Trains", ("a",), ()),
    Stage("c", "Reports", ("b@1", "b@2"), ()),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder without logs of earlier runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _shown(events, *, width=100, is_terminal=False):
    output = io.StringIO()
    view = Terminal(Console(file=output, width=width, highlight=False, force_terminal=is_terminal))
    events(view)
    return output.getvalue().splitlines(), view


def test_each_stage_that_may_run_has_one_line_and_the_others_none(here):
    def events(view):
        view.begin(PLAN, 2, force=False)
        view.end("same", "Unchanged", "")
        for name, state, detail in (
            ("a", "Completed", ""),
            ("b@1", "Restored", ""),
            ("b@2", "Failed", "its log: runs/logs/b@2.log"),
            ("c", "Skipped", "needs b@2"),
        ):
            view.start(name)
            view.end(name, state, detail)
        states = {"same": "Unchanged", "a": "Completed", "b@1": "Restored", "b@2": "Failed", "c": "Skipped"}
        view.finish(states)

    lines, _ = _shown(events)
    assert lines == [
        "4 of 5 stages may run, 1 unchanged, no estimate of the time left: 4 stages never ran here",
        "✓ [1/4] a  run 0 s  Reads",
        "✓ [2/4] b@1  restored 0 s  Trains",
        "✗ [3/4] b@2  failed 0 s  its log: runs/logs/b@2.log",
        "- [4/4] c  skipped 0 s  needs b@2",
        "1 run, 1 restored, 1 unchanged, 1 failed, 1 skipped; 0 s",
    ]


def test_of_hundreds_of_skipped_stages_ten_have_a_line_and_all_are_counted(here):
    many = [Stage("a", "Reads", (), ("never ran",)), *(Stage(f"b@{i}", "Trains", ("a",), ()) for i in range(400))]

    def events(view):
        view.begin(many, 2, force=False)
        view.start("a")
        view.end("a", "Failed", "its log: runs/logs/a.log")
        for stage in many[1:]:
            view.end(stage.name, "Skipped", "needs a")
        view.finish({stage.name: "Skipped" if stage.needs else "Failed" for stage in many})

    lines, _ = _shown(events)
    assert sum(line.endswith("skipped  needs a") for line in lines) == 10
    assert lines[-2:] == ["- … and others that need what failed", "0 run, 0 unchanged, 1 failed, 400 skipped; 0 s"]
    assert len(lines) == 14


def test_the_end_of_a_run_that_went_well_says_where_the_report_is(here):
    (here / "report").mkdir()
    (here / "report/index.html").touch()
    lines, _ = _shown(lambda view: view.finish({"report": "Unchanged", "a": "Completed"}))
    assert lines == ["1 run, 1 unchanged; 0 s", "report: report/index.html"]
    assert len(_shown(lambda view: view.finish({"report": "Skipped", "a": "Failed"}))[0]) == 1
    assert len(_shown(lambda view: view.finish({"a": "Completed"}))[0]) == 1


def test_a_line_is_not_broken_where_there_is_no_terminal(here):
    long = Stage("generate@" + "x" * 60, "What it does in many words " * 4, (), ("modified",))

    def events(view):
        view.begin([long], 2, force=False)
        view.start(long.name)
        view.end(long.name, "Completed", "")

    assert len(_shown(events, width=60)[0]) == 2


def test_what_runs_now_has_a_line_with_its_progress(here):
    def events(view):
        view.begin(PLAN, 2, force=False)
        view.start("a")
        view.progress("a", "denoiser 5/10 loss=0.5", 50.0)
        view.console.print(view)
        view.heartbeat()

    lines, _ = _shown(events)
    assert "▸ a" in lines[1]
    assert "50 %" in lines[1]
    assert "loss=0.5" in lines[1]
    assert lines[2].startswith("0 of 4 done, 3 waiting")
    assert lines[3].startswith("running: a (0 s, 50 %)")


def test_an_estimate_says_that_it_is_one_and_what_it_leaves_out():
    assert describe(Remaining(125, 0)) == "about 2 min 05 s left (estimate)"
    assert describe(Remaining(125, 1)) == "at least 2 min 05 s left (estimate; 1 stage never ran here)"
    assert describe(Remaining(0, 3)) == "no estimate of the time left: 3 stages never ran here"
    assert [clock(s) for s in (0.4, 59.4, 60, 3599, 8040)] == ["0 s", "59 s", "1 min 00 s", "59 min 59 s", "2 h 14 min"]


def test_what_is_left_is_the_longest_chain_or_the_work_of_all_cores(here):
    for name, seconds in (("a", 10), ("b@1", 100), ("c", 5)):
        record_duration(name, "Completed", seconds)
    left = {"a", "b@1", "b@2", "c"}
    assert remaining(PLAN, left, {}, 2, Estimates()) == Remaining(115, 0), "the two cells run side by side"
    assert remaining(PLAN, left, {}, 1, Estimates()) == Remaining(215, 0)
    assert remaining(PLAN, left, {"a": 4}, 2, Estimates()) == Remaining(111, 0)
    assert remaining(PLAN, left, {"a": 40}, 2, Estimates()) == Remaining(105, 0), "later than ever is not below zero"
    assert remaining(PLAN, {"c"}, {}, 2, Estimates()) == Remaining(5, 0)
    new = [*PLAN, Stage("d", "", ("c",), ())]
    assert remaining(new, {*left, "d"}, {}, 2, Estimates()) == Remaining(115, 1)


def test_a_stages_own_log_serves_where_the_flow_never_ran_it(here):
    LOG.parent.mkdir()
    row = '{"stage": "generate", "status": "completed", "wall_s": 40}\n'
    STAGE_LOG.write_text(row + row.replace("40", "70").replace("completed", "failed") + '{"stage": "gener')
    assert Estimates().seconds("generate@x") == pytest.approx(43)
    record_duration("generate@y", "Completed", 20)
    record_duration("generate@y", "Restored", 1)
    assert Estimates().seconds("generate@x") == 20


def test_dvcs_advice_is_passed_on_to_nobody(here, monkeypatch):
    hints = """
        To track the changes with git, run:
        git add dvc.lock .gitignore
        To enable auto staging, run:
        dvc config core.autostage true
        Use `dvc push` to send your updates to remote storage.
    """
    listener = progress.Listener(logging.getLogger("quiet"), "a")

    async def listen():
        for line in ["begins", *filter(None, map(str.strip, hints.splitlines())), "ends"]:
            await listener(Line(line))

    asyncio.run(listen())
    assert listener.last == ["begins", "ends"]
    assert (here / "runs/logs/a.log").read_text() == "begins\nends\n"


def test_a_reason_is_the_stages_own_last_line():
    output = ["Running stage 'a':", "> python a.py", "begins", "no such file", "ERROR: failed to reproduce 'a': exited"]
    assert _last_own_line(output) == ["no such file"]
    assert _last_own_line(["what a command without DVC says"]) == []


def test_prefects_log_leaves_the_terminal_alone(monkeypatch):
    handler = PrefectConsoleHandler()
    logger = logging.getLogger("prefect.of_a_test")
    logger.addHandler(handler)
    mute_prefect()
    assert handler.level > logging.CRITICAL
    logger.removeHandler(handler)


def test_without_a_terminal_a_silent_run_tells_what_runs(here, monkeypatch):
    monkeypatch.setattr(terminal, "_SILENCE_SECONDS", 0.01)
    output = io.StringIO()
    with shown_in_terminal(Console(file=output)) as view:
        view.begin(PLAN, 2, force=False)
        view.start("a")
        while "running: a" not in output.getvalue():
            pass

"""What a run shows in the terminal: one line a stage, what runs now, and an estimate of the time that is left.

In a terminal the running stages and the estimate stand below the lines of the stages that have ended; anywhere else
(a file, a pipe, a CI log) there are plain lines only. Prefect's own log goes to its UI.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from prefect.logging.handlers import PrefectConsoleHandler
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flows.durations import Estimates, Remaining, remaining
from flows.plan import Stage, reasons_to_run
from flows.states import FAILED, RAN, RESTORED, SKIPPED, UNCHANGED

REPORT = Path("report/index.html")
_WORDS = {RAN: "run", RESTORED: "restored", UNCHANGED: "unchanged", FAILED: "failed", SKIPPED: "skipped"}
_STYLES = {RAN: "green", RESTORED: "cyan", UNCHANGED: "dim", FAILED: "bold red", SKIPPED: "yellow"}
_MARKS = {RAN: "✓", RESTORED: "✓", UNCHANGED: "·", FAILED: "✗", SKIPPED: "-"}
_MOST_SKIPPED = 10  # lines of skipped stages: a failure early in a grid of hundreds skips them all
_SILENCE_SECONDS = 60.0  # without a terminal: between two lines that say what runs


@dataclass
class View:
    """Receives a run's events and shows nothing: a run that a server or a worker started has Prefect's log."""

    def begin(self, plan: Sequence[Stage], cores: int, *, force: bool) -> None:
        """The plan is known."""

    def start(self, stage: str) -> None:
        """A stage begins to compute."""

    def progress(self, stage: str, text: str, percent: float) -> None:
        """A stage's progress bar moved."""

    def end(self, stage: str, state: str, detail: str) -> None:
        """A stage has its final state; ``detail`` is where to read more."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def finish(self, states: Mapping[str, str]) -> None:
        """All stages have their final states."""


VIEW: ContextVar[View] = ContextVar("view", default=View())  # noqa: B039 (it holds nothing)


@dataclass
class _Running:
    started: float
    text: str = ""
    percent: float | None = None


@dataclass
class Terminal(View):
    """Shows a run on ``console``."""

    console: Console
    _plan: Sequence[Stage] = ()
    _cores: int = 1
    _began: float = field(default_factory=time.monotonic)
    _left: set[str] = field(default_factory=set)
    _most: int = 0
    _skipped: int = 0
    _running: dict[str, _Running] = field(default_factory=dict)
    _estimates: Estimates = field(default_factory=Estimates)

    def begin(self, plan: Sequence[Stage], cores: int, *, force: bool) -> None:
        """Say how many stages may run."""
        self._plan, self._cores = plan, cores
        self._left = set(reasons_to_run(plan, force=force))
        self._most = len(self._left)
        same = len(plan) - self._most
        self._print(Text(f"{self._most} of {len(plan)} stages may run, {same} unchanged{self._estimate(', ')}"))

    def start(self, stage: str) -> None:
        """Show a stage among those that run."""
        self._running[stage] = _Running(time.monotonic())

    def progress(self, stage: str, text: str, percent: float) -> None:
        """Show how far a stage is; a bar that is full says nothing of what comes after it."""
        if stage in self._running:
            full = percent >= 100
            self._running[stage].text, self._running[stage].percent = ("", None) if full else (text, percent)

    def end(self, stage: str, state: str, detail: str) -> None:
        """Print the stage's line. One that was known to be unchanged from the start has none."""
        ran = self._running.pop(stage, None)
        seconds = time.monotonic() - ran.started if ran else None
        if state == RAN and seconds is not None:
            self._estimates.add(stage, seconds)
        if stage not in self._left:
            return
        self._left.discard(stage)
        self._skipped += state == SKIPPED
        if state == SKIPPED and self._skipped > _MOST_SKIPPED:
            if self._skipped == _MOST_SKIPPED + 1:
                self.note("- … and others that need what failed")
            return
        line = Text(f"{_MARKS[state]} [{self._most - len(self._left)}/{self._most}] ", style=_STYLES[state])
        line.append(stage, style="bold" if state == FAILED else "default")
        line.append(f"  {_WORDS[state]}", style=_STYLES[state])
        line.append(f" {clock(seconds)}" if seconds is not None else "")
        line.append(f"  {detail or self._description(stage)}", style="dim")
        if self.console.is_terminal:
            line.truncate(self.console.width, overflow="ellipsis")
        self._print(line)

    def note(self, text: str) -> None:
        """Print a line of its own."""
        self._print(Text(text))

    def finish(self, states: Mapping[str, str]) -> None:
        """Print how many stages ended how, and where the report is."""
        counts = Counter(states.values())
        parts = [f"{counts[name]} {word}" for name, word in _WORDS.items() if counts[name] or name in (RAN, UNCHANGED)]
        self._print(Text(f"{', '.join(parts)}; {clock(time.monotonic() - self._began)}", style="bold"))
        if not counts[FAILED] and "report" in states and REPORT.exists():
            self._print(Text(f"report: {REPORT}"))

    def heartbeat(self) -> None:
        """Print what runs, for a log that has had no line for a while."""
        if self._running:
            now = time.monotonic()
            runs = ", ".join(
                f"{name} ({clock(now - one.started)}{_percent(one)})" for name, one in self._running.items()
            )
            self._print(Text(f"running: {runs}{self._estimate('; ')}"))

    def __rich__(self) -> Group:
        """The stages that run now and the estimate, below what has been printed."""
        now, table = time.monotonic(), Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
        for name, one in list(self._running.items()):
            what = one.text or self._description(name)
            table.add_row(
                Text(f"▸ {name}"), f"running {clock(now - one.started)}", _percent(one).lstrip(", "), Text(what)
            )
        waiting = len(self._left) - len(self._running)
        total = f"{self._most - len(self._left)} of {self._most} done, {waiting} waiting, {clock(now - self._began)}"
        return Group(table, Text(f"{total}{self._estimate('; ')}", style="bold")) if self._left else Group()

    def _print(self, line: Text) -> None:
        """A line as long as it is: one that wraps would break a file's lines; a terminal wraps by itself."""
        self.console.print(line, soft_wrap=True)

    def _description(self, stage: str) -> str:
        return next((s.desc for s in self._plan if s.name == stage), "")

    def _estimate(self, before: str) -> str:
        now = time.monotonic()
        elapsed = {name: now - one.started for name, one in list(self._running.items())}
        text = describe(remaining(self._plan, self._left, elapsed, self._cores, self._estimates)) if self._left else ""
        return f"{before}{text}" if text else ""


def _percent(one: _Running) -> str:
    return "" if one.percent is None else f", {one.percent:.0f} %"


def describe(left: Remaining) -> str:
    """Describe an estimate: that it is one, and how many stages it leaves out."""
    never = f"{left.unknown} stage{'s' if left.unknown > 1 else ''} never ran here"
    if left.unknown and left.seconds < 1:
        return f"no estimate of the time left: {never}"
    if left.unknown:
        return f"at least {clock(left.seconds)} left (estimate; {never})"
    return f"about {clock(left.seconds)} left (estimate)" if left.seconds >= 1 else "nearly done (estimate)"


def clock(seconds: float) -> str:
    """Seconds as a person reads them: ``8 s``, ``3 min 05 s``, ``2 h 14 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


@contextmanager
def shown_in_terminal(console: Console | None = None) -> Iterator[Terminal]:
    """Within: the flow's events go to the terminal, and Prefect's log to its UI alone."""
    console = console or Console(highlight=False)
    view = Terminal(console)
    mute_prefect()
    token = VIEW.set(view)
    try:
        with _live(view) if console.is_terminal else _heartbeats(view):
            yield view
    finally:
        VIEW.reset(token)


@contextmanager
def _live(view: Terminal) -> Iterator[None]:
    with Live(view, console=view.console, refresh_per_second=4, transient=True):
        yield


@contextmanager
def _heartbeats(view: Terminal) -> Iterator[None]:
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_SILENCE_SECONDS):
            view.heartbeat()

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def mute_prefect() -> None:
    """Take Prefect's own log off this process's terminal; it still goes to the server."""
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    for logger in loggers:
        for handler in logger.handlers:
            if isinstance(handler, PrefectConsoleHandler):
                handler.setLevel(logging.CRITICAL + 1)

"""Run the flow and keep what a terminal shows as an SVG: ``python -m benchmarks.terminal_screen FILE [OVERRIDE …]``.

The screen is of the middle of the run, with stages done and stages running, or of its end where the run fails.
"""

import asyncio
import io
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text

from flows.augment import augment
from flows.server import temporary_server
from flows.states import PipelineFailedError
from flows.terminal import VIEW, Terminal, mute_prefect

_DONE = 9  # stages that have ended when the screen is taken
_PERCENT = 30
_WIDTH = 120


@dataclass
class Recorder(Terminal):
    """A terminal whose lines are kept."""

    lines: list[RenderableType] = field(default_factory=list)
    picture: str = ""

    def _print(self, line: Text) -> None:
        super()._print(line)
        self.lines.append(line)

    def progress(self, stage: str, text: str, percent: float) -> None:
        """Take the picture at a moment at which stages are done, and one is half way through."""
        super().progress(stage, text, percent)
        if not self.picture and len(self.lines) > _DONE and percent >= _PERCENT:
            self.picture = as_svg([*self.lines, self])


def as_svg(content: list[RenderableType]) -> str:
    """What a terminal shows; without the font that rich would have a browser fetch from elsewhere."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), highlight=False, force_terminal=True)
    for one in content:
        console.print(one)
    return re.sub(
        r"@font-face \{.*?\}\s*", "", console.export_svg(title="./run python -m flows.augment"), flags=re.DOTALL
    )


def main() -> None:
    """Command line."""
    file, *overrides = sys.argv[1:]
    view = Recorder(Console(highlight=False))
    mute_prefect()
    VIEW.set(view)
    with temporary_server():
        try:
            asyncio.run(augment(overrides=tuple(overrides)))
        except PipelineFailedError as error:
            view.picture = as_svg([*view.lines, Text(f"error: {error}", style="bold")])
    Path(file).write_text(view.picture or as_svg(list(view.lines)), "utf-8")


if __name__ == "__main__":
    main()

"""What a running stage prints, passed on: lines to its log file and Prefect, bars and pictures to where they show."""

import logging
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from flows.artifacts import key_of, show_preview
from flows.process import Line
from flows.terminal import VIEW

LOGS = Path("runs/logs")
_SECONDS = 3.0  # between two updates of a progress artifact
_PREVIEW = "preview: "  # what a stage's line with the path of a picture begins with
# What DVC advises a person who has run it by hand to do next.
_HINTS = re.compile(
    r"To track the changes with git, run:|git add \S.*|To enable auto staging, run:|dvc config core\.autostage true"
    r"|Use `dvc push` to send your updates to remote storage\."
)


def log_of(stage: str) -> Path:
    """The file with all that a stage printed when it last ran."""
    return LOGS / f"{stage}.log"


@dataclass
class Listener:
    """Takes in the lines of one stage; ``last`` holds the latest twenty."""

    logger: logging.Logger | logging.LoggerAdapter[logging.Logger]
    stage: str
    last: list[str] = field(default_factory=list)
    _artifact: object = None
    _updated: float = 0.0
    _pending: Line | None = None

    def __post_init__(self) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        log_of(self.stage).write_text("", "utf-8")

    async def __call__(self, line: Line) -> None:
        """Take in one line."""
        if line.percent is not None:
            self._pending = line
            VIEW.get().progress(self.stage, line.text, line.percent)
            if time.monotonic() - self._updated >= _SECONDS:
                await self.flush()
            return
        if _HINTS.fullmatch(line.text):
            return
        self.last = [*self.last[-19:], line.text]
        with log_of(self.stage).open("a", encoding="utf-8") as log:
            log.write(f"{line.text}\n")
        self.logger.info(line.text)
        if line.text.startswith(_PREVIEW):
            await show_preview(self.stage, line.text.removeprefix(_PREVIEW))

    async def flush(self) -> None:
        """Bring the progress artifact to the bar's last state."""
        line, self._pending, self._updated = self._pending, None, time.monotonic()
        if line is None or line.percent is None:
            return
        if self._artifact is None:
            key = key_of("progress", self.stage)
            self._artifact = await acreate_progress_artifact(line.percent, key=key, description=line.text)
        else:
            await aupdate_progress_artifact(self._artifact, line.percent, description=line.text)  # type: ignore[arg-type]

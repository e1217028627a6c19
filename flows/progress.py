"""What a running stage says, passed on to the UI: lines to the log, bars and pictures to artifacts."""

import logging
import time
from dataclasses import dataclass, field

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from flows.artifacts import key_of, show_preview
from flows.process import Line

_SECONDS = 3.0  # between two updates of a progress artifact
_PREVIEW = "preview: "  # what a stage's line with the path of a picture begins with


@dataclass
class Listener:
    """Hears the lines of one stage; ``last`` holds the latest twenty."""

    logger: logging.Logger | logging.LoggerAdapter[logging.Logger]
    stage: str
    last: list[str] = field(default_factory=list)
    _artifact: object = None
    _told: float = 0.0
    _untold: Line | None = None

    async def __call__(self, line: Line) -> None:
        """Hear one line."""
        if line.percent is None:
            self.last = [*self.last[-19:], line.text]
            self.logger.info(line.text)
            if line.text.startswith(_PREVIEW):
                await show_preview(self.stage, line.text.removeprefix(_PREVIEW))
            return
        self._untold = line
        if time.monotonic() - self._told >= _SECONDS:
            await self.tell()

    async def tell(self) -> None:
        """Bring the progress artifact to the bar's last state."""
        line, self._untold, self._told = self._untold, None, time.monotonic()
        if line is None or line.percent is None:
            return
        if self._artifact is None:
            key = key_of("progress", self.stage)
            self._artifact = await acreate_progress_artifact(line.percent, key=key, description=line.text)
        else:
            await aupdate_progress_artifact(self._artifact, line.percent, description=line.text)  # type: ignore[arg-type]

"""What a look at a data set comes to: lines to read, and reasons why a run would stop."""

import textwrap
from dataclasses import dataclass, field

_WIDTH = 108  # letters of a line


@dataclass
class Findings:
    """``lines``: name of the part and what was found; ``stops``: why a run would stop, each with its remedy."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)

    def say(self, part: str, text: str) -> None:
        """Note what was found of a part."""
        self.lines.append((part, text))

    def stop(self, reason: str) -> None:
        """Note why a run would stop."""
        if reason not in self.stops:
            self.stops.append(reason)


def shown(lines: list[tuple[str, str]]) -> str:
    """Lines under the names of their parts, each name once."""
    text, last = [], ""
    for part, line in lines:
        first, *more = textwrap.wrap(line, _WIDTH) if len(line) > _WIDTH else [line]
        text.append(f"{'' if part == last else part:<10}{first}")
        text += [f"{'':<12}{rest}" for rest in more]
        last = part
    return "\n".join(text)

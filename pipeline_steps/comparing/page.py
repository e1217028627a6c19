"""A comparison as a page, of the report's blocks: all contenders, partitions and measures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

import pipeline_steps.reporting
from pipeline_steps.comparing.comparison import Comparison, interval, value
from pipeline_steps.comparing.difference import IMAGES, Difference
from pipeline_steps.comparing.figure import forest
from pipeline_steps.comparing.words import title
from pipeline_steps.reporting.blocks import Block, Cell, Figure, Heading, Listing, Measured, Table, Words, columns
from pipeline_steps.reporting.html import html

_HOW = (
    "Differences are B less A, with 95 % intervals; the statistics are the report's (`docs/statistics.md`). **higher** "
    "and **lower**: the interval does not hold 0. **unresolved**: it does, or there is none; that is no sign of being "
    "equal. Each interval stands for itself: of {looked} that could be resolved about {chance:.0f} would be by chance "
    "if nothing differed; {resolved} are."
)


def page(c: Comparison) -> str:
    """The whole page."""
    frame = Path(pipeline_steps.reporting.__file__).with_name("page.html").read_text("utf-8")
    return jinja2.Template(frame, autoescape=True).render(body=Markup(html(blocks(c))))  # noqa: S704 (html escapes)


def blocks(c: Comparison) -> list[Block]:
    """What the page is made of."""
    looked = [d for d in c.differences if d.known and not d.doubt and d.verdict != "same"]
    resolved = sum(d.verdict != "unresolved" for d in looked)
    how = _HOW.format(looked=len(looked), chance=len(looked) * 0.05, resolved=resolved)
    return [
        Heading(f"A: {c.a.title}. B: {c.b.title}"),
        *_notes(c),
        *_changed(c),
        Heading("What it did"),
        Words(how if c.differences else "The two have no measurement in common."),
        *_did(c),
    ]


def _notes(c: Comparison) -> Iterator[Block]:
    for name, keys in c.changes.not_run.items():
        said = (
            f"The results of {name} were computed with other values of `{', '.join(keys)}` than it holds: `dvc repro`."
        )
        yield Words(said, note=True)
    for name, (outputs, how) in c.absent.items():
        yield Words(f"{len(outputs)} outputs of {name} are not at hand: {how}.", note=True)
        yield Listing("which", "\n".join(outputs))


def _changed(c: Comparison) -> Iterator[Block]:
    found = c.changes
    yield Heading("What was changed")
    profiles = (
        f"profile {found.profiles[0]} → {found.profiles[1]}" if len(set(found.profiles)) > 1 else "the same profile"
    )
    images = "other images" if found.images else "the same images"
    count = f"{len(found.parameters)} parameter{'s' * (len(found.parameters) != 1)} that stages read"
    yield Words(f"{profiles}; {images}; {count}.".capitalize())
    if found.parameters:
        rows = [[key, str(a), str(b)] for key, (a, b) in found.parameters.items()]
        yield Table(columns("parameter", "A", "B"), rows)
    if found.wiring:
        yield Table(columns("wiring (`cells.yaml`)".replace("`", "")), [[line] for line in found.wiring])
    if found.code:
        rows = [[module, ", ".join(files) or "lists of files are not at hand"] for module, files in found.code.items()]
        yield Table(columns("stages with other code", "files", words=["files"]), rows)


def _did(c: Comparison) -> Iterator[Block]:
    order = sorted({d.partition for d in c.differences}, key=lambda p: (p != c.partition, p == IMAGES, p))
    for partition in order:
        mine = [d for d in c.differences if d.partition == partition]
        yield Heading(f"{c.partition_name(partition)}")
        if partition == c.partition and any(d.known for d in mine):
            yield Figure(f"differences-{partition}", "differences", "B less A, 95 %.", forest(c, mine))
        yield Table(
            columns("contender", "of", "A", "B", "B less A", "", "rests on", words=["of", "", "rests on"]),
            [_row(c, d) for d in mine],
        )


def _row(c: Comparison, d: Difference) -> Sequence[Cell]:
    difference = Measured(value(d, d.mean, sign=True), interval(d))
    rests = f"{d.how}; {d.doubt}" if d.doubt else d.how
    return [title(d.contender), c.named(d), value(d, d.a), value(d, d.b), difference, d.verdict, rests]

"""Blocks as Markdown: one function a kind of block. Pictures become files beside the page."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline_steps.reporting.blocks import (
    Block,
    Cell,
    Column,
    Figure,
    Heading,
    Listing,
    Measured,
    Table,
    Words,
    columns,
)


def markdown(blocks: Iterable[Block], page: Path) -> str:
    """A part of ``page``, beside which each figure is written, such as ``phantom_bench_ranks.png``."""
    return "\n\n".join(_RENDERERS[type(block)](block, page) for block in blocks)


def table(head: Iterable[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table whose first column stands to the left, all others to the right."""
    return _table(Table(columns(*head), list(rows)))


def _heading(block: Heading, _page: Path) -> str:
    return f"## {block.text}"


def _words(block: Words, _page: Path) -> str:
    return f"> {block.text}" if block.note else block.text


def _table(block: Table, _page: Path = Path()) -> str:
    head = " | ".join(_escaped(c.heading) for c in block.columns)
    rules = ["---", *(_rule(c) for c in block.columns[1:])]
    rows = [" | ".join(_cell(v) for _, v in zip(block.columns, row, strict=True)) for row in block.rows]
    return "\n".join([f"| {head} |", f"|{'|'.join(rules)}|", *(f"| {row} |" for row in rows)])


def _figure(block: Figure, page: Path) -> str:
    name = re.sub(r"[^\w.-]+", "_", block.name)
    file = page.with_name(f"{page.stem}_{name}.png" if name else f"{page.stem}.png")
    file.write_bytes(block.png)
    picture = f"![{block.title}]({file.name})"
    return f"{picture}\n\n{block.caption}" if block.caption else picture


def _listing(block: Listing, _page: Path) -> str:
    return f"{block.title}:\n\n```\n{block.text}\n```"


def _rule(column: Column) -> str:
    return "---" if column.words else "---:"


def _cell(value: Cell) -> str:
    if isinstance(value, Measured):
        return _escaped(f"{value.value} ({value.detail})" if value.detail else value.value)
    return _escaped(str(value))


def _escaped(text: str) -> str:
    """What does not end the cell."""
    return text.replace("|", "\\|").replace("\n", " ")


_RENDERERS: dict[type, Callable[[Any, Path], str]] = {
    Heading: _heading,
    Words: _words,
    Table: _table,
    Figure: _figure,
    Listing: _listing,
}

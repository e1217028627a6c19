"""Blocks as HTML: one function a kind of block."""

import base64
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from pipeline_steps.reporting.blocks import Block, Cell, Column, Figure, Heading, Listing, Measured, Table, Words

_INLINE = ((re.compile(r"`([^`]+)`"), r"<code>\1</code>"), (re.compile(r"\*\*([^*]+)\*\*"), r"<b>\1</b>"))


def html(blocks: Iterable[Block]) -> str:
    """A part of a page."""
    return "\n".join(_RENDERERS[type(block)](block) for block in blocks)


def _heading(block: Heading) -> str:
    return f"\n<h2>{escape(block.text)}</h2>"


def _words(block: Words) -> str:
    return f'<p class="note">{_inline(block.text)}</p>' if block.note else f"<p>{_inline(block.text)}</p>"


def _table(block: Table) -> str:
    head = "".join(f"<th{_kind(c)}>{escape(c.heading)}</th>" for c in block.columns)
    lines = [
        "".join(f"<td{_kind(c)}>{_cell(value)}</td>" for c, value in zip(block.columns, row, strict=True))
        for row in block.rows
    ]
    return "\n".join([f"<table><tr>{head}</tr>", *(f"<tr>{line}</tr>" for line in lines), "</table>"])


def _figure(block: Figure) -> str:
    source = "data:image/png;base64," + base64.b64encode(block.png).decode()
    caption = f"<figcaption>{_inline(block.caption)}</figcaption>" if block.caption else ""
    return f'<figure><img alt="{escape(block.title)}" src="{source}">{caption}</figure>'


def _listing(block: Listing) -> str:
    return f"<details><summary>{escape(block.title)}</summary><pre>{escape(block.text)}</pre></details>"


def _kind(column: Column) -> str:
    names = [name for name, true in (("l", column.words), ("quiet", column.quiet)) if true]
    return f' class="{" ".join(names)}"' if names else ""


def _cell(value: Cell) -> str:
    if not isinstance(value, Measured):
        return escape(str(value))
    return escape(value.value) + (f"<br><small>{escape(value.detail)}</small>" if value.detail else "")


def _inline(text: str) -> str:
    text = escape(text)
    for pattern, tag in _INLINE:
        text = pattern.sub(tag, text)
    return text


_RENDERERS: dict[type, Callable[[Any], str]] = {
    Heading: _heading,
    Words: _words,
    Table: _table,
    Figure: _figure,
    Listing: _listing,
}

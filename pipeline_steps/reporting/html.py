"""Blocks as HTML: one function a kind of block. Linked pictures become files beside the page."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Any

from pipeline_steps.reporting.blocks import Block, Cell, Column, Figure, Heading, Listing, Measured, Table, Words

PICTURES = "pictures"
_INLINE = ((re.compile(r"`([^`]+)`"), r"<code>\1</code>"), (re.compile(r"\*\*([^*]+)\*\*"), r"<b>\1</b>"))


def html(blocks: Iterable[Block], beside: Path | None = None) -> str:
    """A part of a page in the folder ``beside``, under which each linked figure is written; None: the page holds all.

    Blocks are taken one by one, so that of those that are drawn as they are asked for one is in memory at a time.
    """
    return "\n".join(_RENDERERS[type(block)](block, beside) for block in blocks)


def _heading(block: Heading, _beside: Path | None) -> str:
    return f"\n<h2>{escape(block.text)}</h2>"


def _words(block: Words, _beside: Path | None) -> str:
    return f'<p class="note">{_inline(block.text)}</p>' if block.note else f"<p>{_inline(block.text)}</p>"


def _table(block: Table, _beside: Path | None) -> str:
    head = "".join(f"<th{_kind(c)}>{escape(c.heading)}</th>" for c in block.columns)
    lines = [
        "".join(f"<td{_kind(c)}>{_cell(value)}</td>" for c, value in zip(block.columns, row, strict=True))
        for row in block.rows
    ]
    return "\n".join([f"<table><tr>{head}</tr>", *(f"<tr>{line}</tr>" for line in lines), "</table>"])


def _figure(block: Figure, beside: Path | None) -> str:
    if block.linked and beside is not None:
        source = f'src="{_written(block.png, beside)}" loading="lazy"'
    else:
        source = f'src="data:image/png;base64,{base64.b64encode(block.png).decode()}"'
    caption = f"<figcaption>{_inline(block.caption)}</figcaption>" if block.caption else ""
    return f'<figure><img alt="{escape(block.title)}" {source}>{caption}</figure>'


def _written(png: bytes, beside: Path) -> str:
    """Where a picture lies, from its page: its name is its content's, so that equal pages have equal files."""
    place = f"{PICTURES}/{hashlib.sha256(png).hexdigest()[:32]}.png"
    file = beside / place
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(png)
    return place


def _listing(block: Listing, _beside: Path | None) -> str:
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


_RENDERERS: dict[type, Callable[[Any, Path | None], str]] = {
    Heading: _heading,
    Words: _words,
    Table: _table,
    Figure: _figure,
    Listing: _listing,
}

"""What a page is made of, whoever renders it: headings, words, tables, figures."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """The title of a part."""

    text: str


@dataclass(frozen=True)
class Words:
    """A paragraph, in which `` `x` `` is code and ``**x**`` is strong; ``note``: one that must not be overlooked."""

    text: str
    note: bool = False


@dataclass(frozen=True)
class Measured:
    """A value, and in small type its ``detail``: an interval, or the lowest and the highest draw."""

    value: str
    detail: str = ""


Cell = str | int | Measured


@dataclass(frozen=True)
class Column:
    """Of a table: ``words`` and the first column stand to the left, numbers to the right; ``quiet``: of others."""

    heading: str
    words: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    """A row has a cell for each of the ``columns``."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Figure:
    """A PNG with words; ``name`` tells its file from those of the page's other figures.

    ``linked``: it is a file beside every page, also beside one that holds its small figures itself.
    """

    name: str
    title: str
    caption: str
    png: bytes
    linked: bool = False


@dataclass(frozen=True)
class Listing:
    """Text as it is, folded away under a title."""

    title: str
    text: str


Block = Heading | Words | Table | Figure | Listing


def columns(*headings: str, words: Sequence[str] = (), quiet: Sequence[str] = ()) -> list[Column]:
    """Columns by their headings; those in ``words`` stand to the left, those in ``quiet`` are others' figures."""
    return [Column(h, h in words, h in quiet) for h in headings]
